"""Applies rules at a node until none fires: in the order of the list, with fuel.

A rule is looked at only where it can match: what is tried at a node is found by its operation and those in its reach,
and a rule is matched only against nodes that have all the parts of its left side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..compiler.records import record
from ..graph import Node
from .pattern import Rule, parts_of, reachable

FUEL = 50
MOST_KNOWN = 10_000
"""For so many sets of operations in reach it is remembered what is tried there."""
Assumed = list[tuple[str, Node]]
"""What a step took for granted: a property and the node that must have it."""
Found = Node | tuple[Node, Assumed] | None
Rebuild = Callable[[Node], Node]
Procedure = Callable[[Node, Rebuild], Found]
Trace = Callable[[str, Node, Node, Assumed], None]


@record(frozen=True, slots=True)
class Entry:
    """What is tried at a node: where `near` operations are named, only if one of them is in reach of the node, and only
    if all that it `needs` are; a `rule` only if the node has the parts of its left side."""

    name: str
    apply: Procedure
    needs: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()
    slow: bool = False
    rule: Rule | None = None

    def fits(self, reach: frozenset[str], quick: bool) -> bool:
        """Whether it is tried where the operations `reach` are in reach."""
        if quick and self.slow:
            return False
        return self.needs <= reach and not (self.near and self.near.isdisjoint(reach))


class RuleSet:
    """Rules and procedures (for what a pattern cannot say: axes, einsum labels) indexed by the operation at their
    root."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rules: list[Rule] = []
        self.procedures: dict[str, list[Entry]] = {}
        self._index: dict[str, list[Entry]] | None = None
        self._tried: dict[tuple[str, frozenset[str], bool], tuple[Entry, ...]] = {}

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
                index.setdefault(root, []).append(Entry(rule.name, rule.apply, needs, rule=rule))
            self._index = index
            self._tried.clear()
        return self._index

    def tried(self, root: str, reach: frozenset[str], quick: bool) -> tuple[Entry, ...]:
        """What is tried at a node of the operation `root` with the operations `reach` in reach."""
        index = self.index()
        key = (root, reach, quick)
        found = self._tried.get(key)
        if found is None:
            if len(self._tried) >= MOST_KNOWN:
                self._tried.clear()
            found = self._tried[key] = tuple(e for e in index.get(root, ()) if e.fits(reach, quick))
        return found

    def steps(self, x: Node, rebuild: Rebuild, quick: bool = False) -> Iterator[tuple[str, Node, Assumed]]:
        """What each rule makes of `x`, with the rule's name and what it assumes, in the order of the rules."""
        if x.op.name not in self.index():
            return
        parts = None
        for e in self.tried(x.op.name, frozenset(reachable(x)), quick):
            if e.rule is not None:
                parts = parts_of(x) if parts is None else parts
                if not e.rule.parts() <= parts:
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
