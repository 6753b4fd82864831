"""The table of vector functions: a body registers itself with `function` and nothing else names it again."""

from __future__ import annotations

from collections.abc import Callable

from ..records import record
from .vecmath_builder import Value

Emit = Callable[..., Value]


@record(frozen=True, slots=True)
class Body:
    """How a function is emitted: `emit(builder, *arguments)`; `wide` if f32 goes through the f64 code; `slow` if only
    cold branches call it, `seldom` if for arguments that hardly occur (huge angles, overflow, subnormal numbers)."""

    emit: Emit
    arity: int
    wide: bool
    slow: bool
    seldom: bool = False


BODIES: dict[str, Body] = {}
FUNCTIONS: dict[str, int] = {}
"""The public functions: name -> number of arguments."""
CONSTANTS: dict[str, str] = {}
"""Global tables that bodies read: symbol -> its definition."""


def function(name: str, arity: int = 1, *, wide: bool = False) -> Callable[[Emit], Emit]:
    """Registers the decorated body as the public function `name`."""

    def register(emit: Emit) -> Emit:
        FUNCTIONS[name] = arity
        BODIES[name] = Body(emit, arity, wide, slow=False)
        return emit

    return register


def slow_path(name: str, arity: int = 1, *, wide: bool = False, seldom: bool = True) -> Callable[[Emit], Emit]:
    """Registers the decorated body as code that only cold branches call, by default for arguments that hardly occur."""

    def register(emit: Emit) -> Emit:
        BODIES[name] = Body(emit, arity, wide, slow=True, seldom=seldom)
        return emit

    return register
