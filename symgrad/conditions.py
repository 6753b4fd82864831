"""What must hold of the sizes of a formula, beyond what its types say, once they are numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .compiler.types import Dim
from .graph import Node, postorder
from .ops.gathering import MASKS
from .specialise import size_names

Condition = tuple[Dim, str, type[Exception]]
"""A size that must not be negative, what is wrong otherwise, and the error to say it with."""


def conditions(roots: Sequence[Node]) -> tuple[Condition, ...]:
    """The conditions of the operations below `roots`, each once, in the order of the graph."""
    rows = (x.op.requires(x) for x in postorder(roots) if x.op.requires is not None)
    return tuple(dict.fromkeys(condition for row in rows for condition in row))


def counted(roots: Sequence[Node]) -> tuple[tuple[str, Node], ...]:
    """The size names below `roots` that only the values tell, and the masks whose true elements they count; a mask
    that depends on another size comes behind that one."""
    found: dict[str, Node] = {}
    pending = list(roots)
    while pending:
        known = {str(x.params[0]): x.inputs[0] for x in postorder(pending) if x.op.name == "nonzero"}
        known.update({n: MASKS[n] for n in size_names(pending) if n in MASKS})
        pending = [mask for name, mask in known.items() if name not in found]
        found.update(known)
    return tuple(sorted(found.items(), key=lambda item: item[1].depth))


__all__ = ["Condition", "conditions", "counted"]
