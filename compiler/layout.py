"""Temporaries in one workspace: two of them share memory when one is dead before the other begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

from .outline import Lives
from .types import DTYPES, ArrayType

ALIGNMENT = 64
LARGEST = 2**47


class Layout(NamedTuple):
    """Byte offsets of the temporaries, and how many bytes they need together."""

    offsets: dict[str, int]
    total: int


def lay_out(
    arrays: Mapping[str, ArrayType], lives: Lives, temporaries: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> Layout:
    """Places `temporaries`, largest first, each at the lowest offset free during its life (MemoryError if beyond any
    memory).
    """
    bytes_ = {name: prod(shapes[name]) * DTYPES[type_.dtype].itemsize for name, type_ in arrays.items()}
    if sum(bytes_.values()) > LARGEST:
        raise MemoryError(f"the arrays of this program take {sum(bytes_.values())} bytes")
    placed: list[tuple[int, int, str]] = []
    offsets: dict[str, int] = {}
    for name in sorted(temporaries, key=lambda name: -bytes_[name]):
        first, last = lives.get(name, (0, 0))
        size = -(-bytes_[name] // ALIGNMENT) * ALIGNMENT
        at = 0
        for start, end, other in sorted(placed):
            begin, finish = lives.get(other, (0, 0))
            if begin <= last and first <= finish and start < at + size and at < end:
                at = end
        offsets[name] = at
        placed.append((at, at + size, name))
    return Layout(offsets, max((end for _, end, _ in placed), default=0))
