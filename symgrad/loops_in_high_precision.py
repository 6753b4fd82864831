"""Loops in high precision, step by step: importing this makes their meaning known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .compiler.types import evaluate
from .graph import Node
from .high_precision import MEANINGS, run
from .loops import body_of
from .ops.packing import pack

Array = np.ndarray[Any, np.dtype[Any]]


def _scan(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    _, carries, slices, length, reverse = x.params
    body, carried = body_of(x), list(args[:carries])
    outside = dict(zip(body.outside, args[carries + slices :], strict=True))
    steps = evaluate(length, sizes)
    stacks: list[list[Array]] = [[] for _ in body.results]
    for k in range(steps - 1, -1, -1) if reverse else range(steps):
        known = outside | dict(zip(body.carries, carried, strict=True))
        known |= dict(zip(body.slices, (np.asarray(a[k]) for a in args[carries : carries + slices]), strict=True))
        found = run([*body.next, *body.results], known, sizes)
        carried = found[: len(body.next)]
        for stack, value in zip(stacks, found[len(body.next) :], strict=True):
            stack.append(value)
    shapes = [(steps, *(evaluate(n, sizes) for n in r.type.shape)) for r in body.results]
    whole = [_stack(s[::-1] if reverse else s, shape) for s, shape in zip(stacks, shapes, strict=True)]
    return _packed([*carried, *whole])


def _while(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    carries = x.params[1]
    body, carried = body_of(x), list(args[:carries])
    outside = dict(zip(body.outside, args[carries:], strict=True))
    while True:
        known = outside | dict(zip(body.carries, carried, strict=True))
        *after, going = run([*body.next, body.results[0]], known, sizes)
        if not going:
            return _packed(carried)
        carried = after


def _stack(values: Sequence[Array], shape: tuple[int, ...]) -> Array:
    result = np.empty(shape, dtype=object)
    for k, v in enumerate(values):
        result[k] = v[()] if v.ndim == 0 else v
    return result


def _packed(arrays: Sequence[Any]) -> Any:
    return pack([np.asarray(a).astype(object) for a in arrays], 0) if arrays else np.zeros(0, dtype=object)


MEANINGS.update({"scan": _scan, "while": _while})
