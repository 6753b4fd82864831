"""What is left of a schedule once its code is made: what a call must know, and nothing else.

These records are all that is loaded of the compiler in a process that finds its code on disk; they are named
tuples, which take a fifth of a dataclass's time to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .types import ArrayType, Dim

ENTRY, STREAM, COMBINE = "kernel", "stream.", "combine."
"""The names of a kernel's functions: the one that is called, and those of each pass."""
Lives = Mapping[str, tuple[int, int]]
"""For each array the first and last moment at which it is used."""
Work = tuple[tuple[Dim, int], ...]
"""Numbers of elements, and of instructions for each."""


class Pass(NamedTuple):
    """A pass over a long axis, cut into tiles (`loops.Stream`)."""

    name: str
    length: Dim
    partial: tuple[str, ...]
    tiles: tuple[str, ...]
    rows: tuple[ArrayType, ...]
    least: int


class Callback(NamedTuple):
    """A routine that is not written in loops (`loops.Routine`); a `native` one is called back only if it gives up."""

    function: str
    params: tuple[object, ...]
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    native: bool


class Outline(NamedTuple):
    """The arrays of a kernel's table of pointers in their order, its sizes in theirs, and what runs beside its loops.

    `types` are those of the inputs, `named` the program's own sizes."""

    arrays: dict[str, ArrayType]
    types: tuple[tuple[str, ArrayType], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    named: tuple[str, ...]
    sizes: tuple[str, ...]
    passes: tuple[Pass, ...]
    routines: tuple[Callback, ...]
    lives: Lives
    work: Work
    uses_blas: bool


__all__ = ["COMBINE", "ENTRY", "STREAM", "Callback", "Lives", "Outline", "Pass", "Work"]
