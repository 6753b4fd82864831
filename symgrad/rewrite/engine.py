"""Applies rules at a node until none fires: by root operation, in the order of the list, with fuel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..graph import Node
from .pattern import Rule

FUEL = 50
Assumed = list[tuple[str, Node]]
"""What a step took for granted: a property and the node that must have it."""
Found = Node | tuple[Node, Assumed] | None
Rebuild = Callable[[Node], Node]
Procedure = Callable[[Node, Rebuild], Found]
Trace = Callable[[str, Node, Node, Assumed], None]


class RuleSet:
    """Rules and procedures (for what a pattern cannot say: axes, einsum labels) indexed by the operation at their
    root."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rules: list[Rule] = []
        self.procedures: dict[str, list[tuple[str, Procedure]]] = {}
        self._index: dict[str, list[tuple[str, Procedure]]] | None = None

    def add(self, rules: Sequence[Rule]) -> None:
        """Appends pattern rules; earlier rules are tried first."""
        self.rules += rules
        self._index = None

    def procedure(self, name: str, *roots: str) -> Callable[[Procedure], Procedure]:
        """Registers a function from a node and `rebuild` to a replacement or None, tried at nodes of the operations
        `roots`."""

        def register(f: Procedure) -> Procedure:
            for root in roots:
                self.procedures.setdefault(root, []).append((name, f))
            self._index = None
            return f

        return register

    def index(self) -> dict[str, list[tuple[str, Procedure]]]:
        """What is tried at a node, by its operation: procedures, then rules."""
        if self._index is None:
            index = {root: list(found) for root, found in self.procedures.items()}
            for rule in self.rules:
                index.setdefault(rule.made()[0].op.name, []).append((rule.name, rule.apply))
            self._index = index
        return self._index

    def steps(self, x: Node, rebuild: Rebuild) -> Iterator[tuple[str, Node, Assumed]]:
        """What each rule makes of `x`, with the rule's name and what it assumes, in the order of the rules."""
        for name, f in self.index().get(x.op.name, ()):
            found = f(x, rebuild)
            if found is not None:
                result, assumed = found if isinstance(found, tuple) else (found, [])
                if result is not x:
                    yield name, result, assumed

    def normalise(self, x: Node, rebuild: Rebuild, trace: Trace | None = None) -> Node:
        """`x` rewritten at its root until nothing fires.  Raises RuntimeError with the last rules when fuel runs
        out."""
        fired: list[str] = []
        for _ in range(FUEL):
            found = next(self.steps(x, rebuild), None)
            if found is None:
                return x
            fired.append(found[0])
            if trace is not None:
                trace(found[0], x, found[1], found[2])
            x = found[1]
        raise RuntimeError(f"rule set {self.name} does not settle; last rules: {', '.join(fired[-6:])}")
