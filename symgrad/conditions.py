"""What must hold of the sizes of a formula, beyond what its types say, once they are numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .compiler.types import Dim
from .graph import Node, postorder

Condition = tuple[Dim, str, type[Exception]]
"""A size that must not be negative, what is wrong otherwise, and the error to say it with."""


def conditions(roots: Sequence[Node]) -> tuple[Condition, ...]:
    """The conditions of the operations below `roots`, each once, in the order of the graph."""
    rows = (x.op.requires(x) for x in postorder(roots) if x.op.requires is not None)
    return tuple(dict.fromkeys(condition for row in rows for condition in row))


__all__ = ["Condition", "conditions"]
