"""Rules as data: both sides are ordinary expressions over wildcards, in the notation that users write.

    rule("softplus", lambda x: (log(1 + exp(x)), softplus(x)))

A wildcard stands for any subexpression.  In a sum or product the operands match in any order; a wildcard that is left
alone takes all operands that are left, and the root of a rule may leave operands of a sum or product untouched.  ``-x``
matches everything, with x its negative, so one rule serves both signs.  Patterns are brought to canonical form once,
when a formula first has the operations that they need, and match canonical graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ..build import symbol
from ..compiler.types import ArrayType
from ..expression import Expr, lift
from ..graph import Node, Params, lookup, node, postorder
from ..ops.leaves import CONSTANT
from .terms import constant_node, exact_value, number_of, rounded

Binding = dict[Node, Node]
AC = ("add", "mul")
FURTHEST = 2
"""The depths of a node and its negative differ by less."""
Part = str | float | tuple[str, str | float]
"""What an operand is, an operation or a number, and for an operation what one of its own operands is."""


@dataclass(frozen=True)
class Rule:
    """One rewrite: `sides` gives (left, right) from wildcards; it applies where `condition(**bound)` holds.

    `why` says what is gained where it is not obvious.  With `exact`, both sides have the same value for every input up
    to rounding, infinities and NaN included; the others hold on the domain of the left side."""

    name: str
    sides: Callable[..., tuple[Any, Any]]
    condition: Callable[..., bool] | None = None
    why: str = ""
    exact: bool = True
    assumes: tuple[str, str] | None = None
    """What is assumed of which wildcard: ("positive", "x")."""
    at: str = ""
    """The operation at the root of the left side and then those below it that a node must have in reach, in order of
    their names: so the sides are built only when a formula has them.  Without it they are built to find it."""
    _left: list[tuple[Node, Node, dict[str, Node]]] = field(default_factory=list, repr=False, compare=False)
    _right: list[Node] = field(default_factory=list, repr=False, compare=False)
    _parts: list[frozenset[Part]] = field(default_factory=list, repr=False, compare=False)

    def made(self) -> tuple[Node, Node, dict[str, Node]]:
        """Left and right side as graphs, and the wildcards by name."""
        left, right, wild = self.pattern()
        if not self._right:
            self._right.append(_canonical(right))
        return left, self._right[0], wild

    def pattern(self) -> tuple[Node, Node, dict[str, Node]]:
        """Like `made`, with the right side as it was written: most rules never need it in canonical form."""
        if not self._left:
            code = self.sides.__code__
            wild = {n: symbol(f"{n}_", ArrayType("f64")) for n in code.co_varnames[: code.co_argcount]}
            left, right = self.sides(**wild)
            self._left.append((_canonical(lift(left).node), lift(right).node, {n: w.node for n, w in wild.items()}))
        return self._left[0]

    def signature(self) -> tuple[str, frozenset[str]]:
        """The operation at the root of the left side, and those that must be in reach of a node for it to match."""
        root, *needs = self.at.split() if self.at else self.derived()
        return root, frozenset(needs)

    def derived(self) -> list[str]:
        """What `at` must say."""
        left, _, wild = self.pattern()
        free = set(wild.values())
        needs: set[str] = set()
        for p in left.inputs:
            if p not in free and not _is_negation(p, free):
                needs.add(p.op.name)
                needs |= {q.op.name for q in p.inputs if q not in free and not _is_negation(q, free)}
        return [left.op.name, *sorted(needs - {"constant", "symbol"})]

    def parts(self) -> frozenset[Part]:
        """The parts that every node that matches the left side has."""
        if not self._parts:
            left, _, wild = self.pattern()
            free = set(wild.values())
            self._parts.append(frozenset(_parts(left, lambda p: p in free or _is_negation(p, free))))
        return self._parts[0]

    def apply(self, x: Node, rebuild: Callable[[Node], Node]) -> tuple[Node, list[tuple[str, Node]]] | None:
        """The right side for the first way in which `x` matches the left side, with what it assumes; or None."""
        left, _, wild = self.pattern()
        names = {w: n for n, w in wild.items()}
        for bound, rest in match_root(left, x, set(names)):
            arguments = {names[w]: Expr(value) for w, value in bound.items()}
            if self.condition is None or self.condition(**arguments):
                result = instantiate(self.made()[1], bound, x.type.dtype, rebuild)
                if rest:
                    result = rebuild(node(x.op, (*rest, result)))
                if result.type == x.type:
                    assumed = [] if self.assumes is None else [(self.assumes[0], bound[wild[self.assumes[1]]])]
                    return result, assumed
        return None


def _canonical(x: Node) -> Node:
    from .canonical import canonicalise

    return canonicalise([x], stable=False)[0]


def reachable(x: Node) -> set[str]:
    """The operations of the inputs of `x` and of theirs, looking through powers and roots."""
    found = set()
    for i in x.inputs:
        found.add(i.op.name)
        for j in i.inputs:
            found.add(j.op.name)
            if j.op.name in ("pow", "sqrt"):
                found.add(j.inputs[0].op.name)
    return found


def parts_of(x: Node) -> set[Part]:
    """The parts of `x`, down to the operands of its operands."""
    return _parts(x, lambda _: False)


def _parts(x: Node, skip: Callable[[Node], bool]) -> set[Part]:
    found: set[Part] = set()
    for i in x.inputs:
        if skip(i):
            continue
        name = i.op.name
        found.add(_own(i))
        for j in i.inputs:
            if not skip(j):
                found.add((name, _own(j)))
    return found


def _own(x: Node) -> str | float:
    return x.op.name if x.op is not CONSTANT or x.params[1] else _number(x.params)


@lru_cache(maxsize=4096)
def _number(params: Params) -> str | float:
    value = exact_value(params)
    return "constant" if value is None else rounded(value)


def negative(x: Node) -> Node:
    """The canonical form of ``-x``."""
    from .canonical import rebuild

    return rebuild(node(lookup("neg"), (x,)))


def _is_negation(pattern: Node, wild: set[Node]) -> bool:
    return (
        pattern.op.name == "mul" and len(pattern.inputs) == 2 and pattern.inputs[1] in wild
        and number_of(pattern.inputs[0]) == -1
    )  # fmt: skip


def match_root(pattern: Node, x: Node, wild: set[Node]) -> Iterator[tuple[Binding, list[Node]]]:
    """The ways in which `x`, or for sums and products some operands of it, match; with the operands left over."""
    if pattern.op is x.op and pattern.op.name in AC:
        yield from _match_ac(pattern, x, {}, wild, partial=True)
    else:
        for bound in match(pattern, x, {}, wild):
            yield bound, []


def match(pattern: Node, x: Node, bound: Binding, wild: set[Node]) -> Iterator[Binding]:
    """The bindings, extending `bound`, under which `pattern` is `x`.  Patterns are small: this recurses over the
    pattern only."""
    if pattern in wild:
        if pattern not in bound:
            yield {**bound, pattern: x}
        elif bound[pattern] is x:
            yield bound
        return
    if _is_negation(pattern, wild):
        known = bound.get(pattern.inputs[1])
        if known is not None and abs(known.depth - x.depth) > FURTHEST:
            return
        yield from match(pattern.inputs[1], negative(x), bound, wild)
        return
    if pattern.op.name == "constant":
        if number_of(pattern) is not None and number_of(pattern) == number_of(x):
            yield bound
        return
    if pattern.op is not x.op or pattern.op.name == "einsum":
        return
    if pattern.op.name in AC:
        for found, _ in _match_ac(pattern, x, bound, wild, partial=False):
            yield found
        return
    if len(pattern.inputs) != len(x.inputs):
        return
    orders = [x.inputs]
    if pattern.op.commutative and len(x.inputs) == 2:
        orders.append((x.inputs[1], x.inputs[0]))
    for inputs in orders:
        yield from _match_all(pattern.inputs, inputs, bound, wild)


def _match_all(patterns: Sequence[Node], xs: Sequence[Node], bound: Binding, wild: set[Node]) -> Iterator[Binding]:
    if not patterns:
        yield bound
        return
    for found in match(patterns[0], xs[0], bound, wild):
        yield from _match_all(patterns[1:], xs[1:], found, wild)


def _match_ac(
    pattern: Node, x: Node, bound: Binding, wild: set[Node], *, partial: bool
) -> Iterator[tuple[Binding, list[Node]]]:
    """Matches operands in any order: constants and shapes first, free wildcards last; the last of these takes the
    rest."""
    specific = [p for p in pattern.inputs if p not in wild]
    specific.sort(key=lambda p: p.op.name != "constant" and _is_negation(p, wild))
    loose = [p for p in pattern.inputs if p in wild]
    if len(x.inputs) < len(pattern.inputs):
        return
    for found, rest in _choose(specific, list(x.inputs), bound, wild):
        if not loose:
            if partial or not rest:
                yield found, rest
        elif len(loose) == 1 and not partial:
            whole = rest[0] if len(rest) == 1 else node(x.op, tuple(rest)) if rest else None
            if whole is not None:
                for more in match(loose[0], whole, found, wild):
                    yield more, []
        else:
            for more, left in _choose(loose, rest, found, wild):
                if partial or not left:
                    yield more, left


def _choose(
    patterns: Sequence[Node], xs: list[Node], bound: Binding, wild: set[Node]
) -> Iterator[tuple[Binding, list[Node]]]:
    if not patterns:
        yield bound, xs
        return
    first = patterns[0]
    free = first in wild or _is_negation(first, wild)
    for k, x in enumerate(xs):
        if x.op is not first.op and not free:
            continue
        for found in match(first, x, bound, wild):
            yield from _choose(patterns[1:], xs[:k] + xs[k + 1 :], found, wild)


def instantiate(pattern: Node, bound: Mapping[Node, Node], dtype: str, rebuild: Callable[[Node], Node]) -> Node:
    """`pattern` with wildcards replaced and constants of element type `dtype`, in canonical form."""
    new: dict[Node, Node] = dict(bound)
    for p in postorder([pattern]):
        if p in new:
            continue
        if p.op.name == "constant":
            value = number_of(p)
            new[p] = p if p.type.dtype == "bool" or value is None else constant_node(value, dtype)
        else:
            new[p] = rebuild(node(p.op, tuple(new[i] for i in p.inputs), p.params))
    return new[pattern]
