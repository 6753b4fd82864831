"""Applies rules at a node until none fires: by root operation, in the order of the list, with fuel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph import Node
from .pattern import Rule

FUEL = 50
Procedure = Callable[[Node, Callable[[Node], Node]], Node | None]
Rebuild = Callable[[Node], Node]
Trace = Callable[[str, Node, Node], None]


class RuleSet:
    """Rules and procedures (for what a pattern cannot say: axes, einsum labels) indexed by the operation at their root."""

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
        """Registers a function from a node and `rebuild` to a replacement or None, tried at nodes of the operations `roots`."""

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

    def step(self, x: Node, rebuild: Rebuild) -> tuple[str, Node] | None:
        """The first rule that fires at `x` and its result."""
        for name, f in self.index().get(x.op.name, ()):
            result = f(x, rebuild)
            if result is not None and result is not x:
                return name, result
        return None

    def normalise(self, x: Node, rebuild: Rebuild, trace: Trace | None = None) -> Node:
        """`x` rewritten at its root until nothing fires.  Raises RuntimeError with the last rules when fuel runs out."""
        fired: list[str] = []
        for _ in range(FUEL):
            found = self.step(x, rebuild)
            if found is None:
                return x
            fired.append(found[0])
            if trace is not None:
                trace(found[0], x, found[1])
            x = found[1]
        raise RuntimeError(f"rule set {self.name} does not settle; last rules: {', '.join(fired[-6:])}")
