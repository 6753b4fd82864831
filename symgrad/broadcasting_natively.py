"""Calls of a function of scalars with arrays of one shape, and with numbers beside them, run by machine code alone.

What machine code takes has a fixed number of axes, so there is one callable for each set of ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .compiler.callables import natively_callable
from .compiler.types import ArrayType
from .trees import Tree, mapped

if TYPE_CHECKING:
    from .compiler.builtin import Ready

MOST_SHAPES = 256

Shapes = tuple[tuple[int, ...], ...]


@natively_callable
class NativeCalls:
    """Calls with arguments of given ranks; `general` answers those that are not ordinary."""

    def __init__(
        self, general: Callable[..., Any], names: Sequence[str], types: Sequence[ArrayType], outputs: Tree, rank: int
    ) -> None:
        from .compiler.builtin import entry

        self._general = general
        self._shapes: set[Shapes] = set()
        axes = (1,) * rank  # how long they are stands in the plans, their number here
        results = mapped(lambda type_: ArrayType(type_.dtype, (*axes, *type_.shape)), outputs)
        self._entry = entry(self, "__call__", names, list(types), results)

    def __call__(self, *args: Any) -> Any:
        return self._general(*args)

    def add(self, shapes: Shapes, ready: Ready | None, shape: tuple[int, ...]) -> None:
        """Has calls with arguments of these shapes run by `ready`, whose results have `shape` instead of one axis."""
        if self._entry is None or ready is None or shapes in self._shapes:
            return
        if len(self._shapes) == MOST_SHAPES:
            self._entry.clear()
            self._shapes.clear()
        self._shapes.add(shapes)
        results = tuple((*shape, *result[1:]) for result in ready.output_shapes)
        self._entry.add(shapes, replace(ready, output_shapes=results))
