"""Routines that are not written in loops, one row each: sorting, linear algebra, callbacks.

A row is a Python function ``function(params, arrays) -> tuple of results``; kernels call it back with the arrays of the
call, wrapped and not copied, and store what it returns.  symgrad registers the routines of its operations here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Routine = Callable[[tuple[object, ...], tuple[np.ndarray[Any, Any], ...]], tuple[Any, ...]]
EXTERNS: dict[str, Routine] = {}


def extern(name: str) -> Callable[[Routine], Routine]:
    """Registers the decorated function as the extern routine `name`; arrays it gets must not be written."""

    def register(routine: Routine) -> Routine:
        EXTERNS[name] = routine
        return routine

    return register


@extern("sort")
def _sort(params: tuple[object, ...], arrays: tuple[np.ndarray[Any, Any], ...]) -> tuple[Any, ...]:
    """The last axis in rising order, NaN last."""
    return (np.sort(arrays[0], axis=-1),)


@extern("argsort")
def _argsort(params: tuple[object, ...], arrays: tuple[np.ndarray[Any, Any], ...]) -> tuple[Any, ...]:
    """The positions that sort the last axis, equal elements in their order."""
    return (np.argsort(arrays[0], axis=-1, kind="stable"),)
