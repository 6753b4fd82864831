"""The table of routines that have machine code: a body registers itself with `routine`; `externs.NATIVE` has their
memory."""

from __future__ import annotations

from collections.abc import Callable

from .routine_writer import RoutineWriter

Body = Callable[[RoutineWriter], None]
BODIES: dict[str, Body] = {}


def routine(name: str) -> Callable[[Body], Body]:
    """Registers the decorated body as the machine code of the extern routine `name`."""

    def register(body: Body) -> Body:
        BODIES[name] = body
        return body

    return register


__all__ = ["BODIES", "routine"]
