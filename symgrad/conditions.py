"""What must hold of the sizes of a formula, beyond what its types say, once they are numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .compiler.types import Dim, Size
from .errors import DomainError, ShapeError
from .graph import Node, postorder
from .ops.reductions import axes_param
from .ops.shaping import requirements

Condition = tuple[Dim, str, type[Exception]]
"""A size that must not be negative, what is wrong otherwise, and the error to say it with."""

OF_SOMETHING = {"max", "min", "argmax", "argmin"}
"""Reductions that have no value over an empty axis."""


def conditions(roots: Sequence[Node]) -> tuple[Condition, ...]:
    """The conditions below `roots`, each once, in the order of the graph."""
    found: dict[Condition, None] = {}
    for x in postorder(roots):
        for need, why in requirements(x):
            found[need, f"slicing: {why}", ShapeError] = None
        if x.op.name in OF_SOMETHING:
            shape = x.inputs[0].type.shape
            for n in dict.fromkeys(shape[a] for a in axes_param(x.params)):
                if isinstance(n, Size):
                    found[n - 1, f"{x.op.name}: of an empty axis", DomainError] = None
    return tuple(found)


__all__ = ["Condition", "conditions"]
