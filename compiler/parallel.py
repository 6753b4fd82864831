"""One pass over a streamed axis on several threads, with the bits of one.

The range is halved as the machine code halves it; subtrees run on threads, each with its own tiles and partial
results, which are then combined in the order of the tree.  What is added to what does not depend on the number of
threads.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .outline import Outline, Pass
from .types import DTYPES

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Array = np.ndarray[Any, Any]
_POINTER, _INTEGER = ctypes.c_void_p, ctypes.c_int64
_STREAM = ctypes.CFUNCTYPE(_INTEGER, _POINTER, _POINTER, _INTEGER, _INTEGER, _POINTER)
_COMBINE = ctypes.CFUNCTYPE(_INTEGER, _POINTER, _POINTER, _POINTER)


def halves(lo: int, hi: int) -> list[tuple[int, int]]:
    """The two halves of a range of leaves, as the machine code cuts it; a leaf stays."""
    return [(lo, hi)] if hi - lo <= 1 else [(lo, (lo + hi) // 2), ((lo + hi) // 2, hi)]


class StreamRunner:
    """Runs one pass whose machine code is at the addresses `run` and `combine`."""

    def __init__(self, outline: Outline, stream: Pass, run: int, combine: int, threads: int) -> None:
        self.stream, self.threads = stream, threads
        self.function, self.combine = _STREAM(run), _COMBINE(combine)
        position = {name: k for k, name in enumerate(outline.arrays)}
        self.private = [(name, position[name]) for name in (*stream.tiles, *stream.partial)]
        self.types = outline.arrays
        self.leaves = outline.sizes.index(f"{stream.name}.leaves")

    def run(self, table: Array, sizes: Array, shapes: dict[str, tuple[int, ...]], scratch: int) -> int:
        """The status of the whole pass; the results are in the arrays of `table`."""
        pool = _pool(os.getpid(), self.threads)
        parts = self.split(0, int(sizes[self.leaves]), max(1, (2 * self.threads - 1).bit_length()))
        tables: list[Array] = []
        held: list[Array] = []
        pending: list[Future[int]] = []
        for k, (lo, hi) in enumerate(parts):
            own = table if k == 0 else self.copied(table, shapes, held)
            space = np.empty(scratch + 64, np.uint8)
            held.append(space)
            tables.append(own)
            arguments = own.ctypes.data, sizes.ctypes.data, lo, hi, space.ctypes.data
            pending.append(pool.submit(self.function, *arguments))
        status = 0
        for future in pending:
            status |= future.result()
        self.join(parts, tables, sizes)
        return status

    def split(self, lo: int, hi: int, depth: int) -> list[tuple[int, int]]:
        """The subtrees at `depth`, as the machine code halves the range."""
        parts = [(lo, hi)]
        for _ in range(depth):
            parts = [half for part in parts for half in halves(*part)]
        return parts

    def join(self, parts: list[tuple[int, int]], tables: list[Array], sizes: Array) -> None:
        """Combines the subtrees' results upwards: two ranges are halves of one if the tree has cut it between them."""
        stack: list[tuple[int, int, Array]] = []
        cuts = self.tree(parts[-1][1], set(parts))
        for (lo, hi), table in zip(parts, tables, strict=True):
            stack.append((lo, hi, table))
            while len(stack) > 1 and (stack[-2][0], stack[-1][1]) in cuts and stack[-2][1] == stack[-1][0]:
                _, end, right = stack.pop()
                start, _, left = stack.pop()
                self.combine(left.ctypes.data, sizes.ctypes.data, right.ctypes.data)
                stack.append((start, end, left))

    def tree(self, total: int, leaves: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """The ranges above `leaves`."""
        found: set[tuple[int, int]] = set()
        pending = [(0, total)]
        while pending:
            lo, hi = pending.pop()
            if (lo, hi) not in leaves:
                found.add((lo, hi))
                pending += halves(lo, hi)
        return found

    def copied(self, table: Array, shapes: dict[str, tuple[int, ...]], held: list[Array]) -> Array:
        """A table with tiles and partial results of its own, which `held` keeps alive."""
        own = table.copy()
        for name, k in self.private:
            space = np.empty(prod(shapes[name]) + 8, DTYPES[self.types[name].dtype])
            held.append(space)
            own[k] = space.ctypes.data
        return own


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process: after a fork there are none, so each process has its own."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, thread_name_prefix=f"symgrad-{process}")
