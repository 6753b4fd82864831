"""How a pass over a long axis is cut: tiles that stay in the cache, leaves that are summed pairwise, threads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache

from .outline import Outline
from .types import DTYPES, ArrayType, evaluate, product
from .work import instructions

PARALLEL = 5_000_000
"""Instructions on elements from where on passes are cut up for threads: some 0.5 ms, twice what waking them takes."""
MOST = 4096
"""The most rows of a tile: within one sums are not pairwise."""


def plan_passes(outline: Outline, numbers: Mapping[str, int], threads: int) -> tuple[dict[str, int], int]:
    """`numbers` with the sizes of tiles and leaves added, and the bytes of scratch memory for partial results."""
    known, scratch = dict(numbers), 0
    pays = instructions(outline.work, numbers) >= PARALLEL
    for action in outline.passes:
        length = evaluate(action.length, known)
        row = sum(_bytes(type_, known) for type_ in action.rows)
        partial = sum(_bytes(outline.arrays[name], known) + 64 for name in action.partial)
        tile = tile_rows(row, length, action.least, second_level_cache())
        leaf = leaf_rows(tile, row, partial)
        leaves = -(-length // leaf)
        many = threads if leaves > 1 and pays else 1
        known |= {f"{action.name}.tile": tile, f"{action.name}.leaf": leaf}
        known |= {f"{action.name}.leaves": leaves, f"{action.name}.threads": many}
        depth = leaves.bit_length() + 1
        scratch = max(scratch, depth * (partial + 8 * len(outline.arrays) + 64))
    return known, scratch


def _bytes(type_: ArrayType, numbers: Mapping[str, int]) -> int:
    return evaluate(product(type_.shape), numbers) * DTYPES[type_.dtype].itemsize


def tile_rows(row_bytes: int, length: int, least: int, cache: int) -> int:
    """Rows of a tile: as many as half of `cache` holds, in multiples of 32, but `least`; all if they fit."""
    rows = min(MOST, max(least, cache // 2 // max(1, row_bytes) // 32 * 32))
    return max(1, min(rows, length))


def leaf_rows(rows: int, row_bytes: int, partial_bytes: int) -> int:
    """Rows that are summed one tile after the other before pairwise summation begins: enough that combining partial
    results costs little beside reading the data.
    """
    return rows * max(1, -(-16 * partial_bytes // max(1, rows * row_bytes)))


@lru_cache(maxsize=1)
def second_level_cache() -> int:
    """Its size in bytes; 256 KiB where the system does not say."""
    try:
        return max(2**17, os.sysconf("SC_LEVEL2_CACHE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 2**18
