"""Applies rules at a node until none fires: by root operation, in the order of the list, with fuel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..graph import Node
from .pattern import Rule, reachable

FUEL = 50
Assumed = list[tuple[str, Node]]
"""What a step took for granted: a property and the node that must have it."""
Found = Node | tuple[Node, Assumed] | None
Rebuild = Callable[[Node], Node]
Procedure = Callable[[Node, Rebuild], Found]
Trace = Callable[[str, Node, Node, Assumed], None]


@dataclass(frozen=True)
class Entry:
    """What is tried at a node: where `near` operations are named, only if one of them is in reach of the node, and only
    if all that it `needs` are."""

    name: str
    apply: Procedure
    needs: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()
    slow: bool = False


class RuleSet:
    """Rules and procedures (for what a pattern cannot say: axes, einsum labels) indexed by the operation at their
    root."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rules: list[Rule] = []
        self.procedures: dict[str, list[Entry]] = {}
        self._index: dict[str, list[Entry]] | None = None

    def add(self, rules: Sequence[Rule]) -> None:
        """Appends pattern rules; earlier rules are tried first."""
        self.rules += rules
        self._index = None

    def procedure(
        self, name: str, *roots: str, near: Iterable[str] = (), slow: bool = False
    ) -> Callable[[Procedure], Procedure]:
        """Registers a function from a node and `rebuild` to a replacement or None, tried at nodes of the operations
        `roots`.

        With `near` it is tried only where one of these operations is in reach; a `slow` one only in formulas of
        moderate size."""

        def register(f: Procedure) -> Procedure:
            for root in roots:
                self.procedures.setdefault(root, []).append(Entry(name, f, near=frozenset(near), slow=slow))
            self._index = None
            return f

        return register

    def index(self) -> dict[str, list[Entry]]:
        """What is tried at a node, by its operation: procedures, then rules."""
        if self._index is None:
            index = {root: list(found) for root, found in self.procedures.items()}
            for rule in self.rules:
                root, needs = rule.signature()
                index.setdefault(root, []).append(Entry(rule.name, rule.apply, needs))
            self._index = index
        return self._index

    def steps(self, x: Node, rebuild: Rebuild, quick: bool = False) -> Iterator[tuple[str, Node, Assumed]]:
        """What each rule makes of `x`, with the rule's name and what it assumes, in the order of the rules."""
        entries = self.index().get(x.op.name)
        if entries is None:
            return
        reach = reachable(x)
        for e in entries:
            if not e.needs <= reach or (e.near and e.near.isdisjoint(reach)) or (quick and e.slow):
                continue
            found = e.apply(x, rebuild)
            if found is not None:
                result, assumed = found if isinstance(found, tuple) else (found, [])
                if result is not x:
                    yield e.name, result, assumed

    def normalise(self, x: Node, rebuild: Rebuild, trace: Trace | None = None, *, quick: bool = False) -> Node:
        """`x` rewritten at its root until nothing fires.  Raises RuntimeError with the last rules when fuel runs
        out."""
        fired: list[str] = []
        for _ in range(FUEL):
            found = next(self.steps(x, rebuild, quick), None)
            if found is None:
                return x
            fired.append(found[0])
            if trace is not None:
                trace(found[0], x, found[1], found[2])
            x = found[1]
        raise RuntimeError(f"rule set {self.name} does not settle; last rules: {', '.join(fired[-6:])}")
