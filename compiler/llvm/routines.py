"""The machine code of extern routines."""

from __future__ import annotations

from collections.abc import Mapping

from ..loops import Routine
from ..types import ArrayType
from . import routines_expm, routines_lapack, routines_sorting
from .routine_writer import RoutineWriter
from .routines_registry import BODIES

THEMES = (routines_expm, routines_lapack, routines_sorting)
"""The modules whose import fills the table."""


def routine_code(routine: Routine, arrays: Mapping[str, ArrayType]) -> RoutineWriter:
    """The function that computes `routine`, written to its end."""
    writer = RoutineWriter(routine, arrays)
    BODIES[routine.function](writer)
    writer.finish()
    return writer


__all__ = ["RoutineWriter", "routine_code"]
