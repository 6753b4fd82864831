"""`simplify`: the shortest form found by rules, and what was assumed to get there.

Rounds of one walk up the graph each: every node is brought to canonical form, then rules of the short set, common
factors, one fraction, products multiplied out are tried, and a step is taken only if the formula gets shorter
(`show.cost`).  Since every accepted step lowers one number, the search ends; a round that changes nothing is the
last.  The walk visits each distinct node once.

Which of two steps to take first matters: a sum put over one denominator may hide that its terms got shorter alone.  So
formulas of a size that people read are simplified in more than one way (STRATEGIES), and the shortest text wins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .compiler.types import is_float
from .expression import constant, constant_value
from .graph import Node, consumer_counts, lookup, node, postorder, substitute
from .rewrite import short_masks as short_masks
from .rewrite import short_matrices as short_matrices
from .rewrite import short_roots as short_roots
from .rewrite import short_selections as short_selections
from .rewrite.assumptions import Assumptions, unvisited
from .rewrite.canonical import canonical_node, canonicalise, rebuild
from .rewrite.engine import Assumed
from .rewrite.factoring import expanded, factored
from .rewrite.fractions import Fractions
from .rewrite.short import SHORT
from .rewrite.short_arrays import forms
from .rewrite.terms import constant_node, number_of, split
from .show.constants import nearest_named, parted
from .show.cost import CHARACTER, Lengths, reading
from .show.text import text

ROUNDS = 12
READABLE, SURVEYABLE = 150, 600
"""Larger graphs than the first are simplified in one way only, larger ones than the second with steps that stay near
what they change."""
STRATEGIES: tuple[frozenset[str], ...] = (
    frozenset(), frozenset({"roots joined"}), frozenset({"one fraction of a sum"}),
    frozenset({"one fraction of a sum", "common factor"}), frozenset({"one fraction of a sum", "roots joined"}),
)  # fmt: skip
"""The steps that each way of simplifying leaves out."""
LARGE = frozenset({
    "one fraction", "signs", "roots joined", "one fraction of a sum", "common factor", "term by term",
    "roots above the line",
})  # fmt: skip
"""What is left out of large graphs: choices of a character or two, and steps that write out what is shared."""
VERY_LARGE = LARGE | {"common number", "sign into a difference"}
"""What is left out where nobody reads the whole: a sign that moves makes everything above it anew, and a sum of its own
beside the one that others share."""
SIGN = 3
"""How many characters must be saved by what holds for one sign only."""
LEVELS = 8
"""How often the operands that a step made are simplified before the node that they are operands of is left to the next
round."""
LEAST_SAVING = 2 * CHARACTER
"""What a factor taken out of some terms only must save: ``z*(z + 3) + 3`` is no easier to read than a polynomial."""
Step = tuple[str, Node, Node]
Cost = Callable[[Node], int]


@dataclass
class Simplified:
    """Simplified nodes, the steps that led there as (rule, before, after), and what was assumed of which nodes."""

    nodes: list[Node]
    steps: list[Step] = field(default_factory=list)
    assumed: list[tuple[str, Node]] = field(default_factory=list)


def simplify(
    roots: Sequence[Node], cost: Cost | None = None, known: Assumptions | None = None,
    total: Callable[[Sequence[Node]], int] | None = None,
) -> Simplified:  # fmt: skip
    """The shortest forms found of `roots` under `cost` (by default the length of the printed formula), given what is
    `known` of its symbols; `total` weighs whole results (by default the length of
    their text, or of very large graphs the operations)."""
    roots = _with_names(roots)
    facts = known or Assumptions()
    weigh = cost or Lengths()
    best = Simplified(canonicalise(roots))
    read = len(postorder(best.nodes)) <= SURVEYABLE
    compare = total or (_length if read else _operations)

    def worth(found: Simplified) -> tuple[int, int]:
        one_sign = any(what == "not negative" for what, _ in facts.unknown(found.assumed))
        return compare(found.nodes) + SIGN * one_sign, sum(map(weigh, found.nodes))

    def climbed(best: Simplified) -> Simplified:
        """The shortest form found from there, each time from what was found before."""
        while True:
            ways = _ways(len(postorder(best.nodes)))
            found = [_search(best.nodes, weigh, facts, omitted) for omitted in ways]
            found = [Simplified(f.nodes, best.steps + f.steps, best.assumed + f.assumed) for f in found]
            shortest = min(found, key=worth)
            if worth(shortest) >= worth(best):
                return best
            best = shortest

    best = climbed(best)
    while read:  # again from its stable form, where a second call would start
        again = climbed(Simplified(canonicalise(best.nodes), list(best.steps), list(best.assumed)))
        if worth(again) >= worth(best):
            break
        best = again
    if worth(Simplified(list(roots))) <= worth(best) and canonicalise(roots, stable=False) == list(roots):
        return Simplified(list(roots))  # a stable form that is read as easily is no reason to change it
    best.assumed = list(dict.fromkeys(facts.unknown(best.assumed)))
    return best


def _length(nodes: Sequence[Node]) -> int:
    return reading(nodes, len(text(nodes)))


def _operations(nodes: Sequence[Node]) -> int:
    """What stands for the length where nobody reads the whole."""
    return sum(bool(x.inputs) for x in postorder(nodes))


def _ways(size: int) -> tuple[frozenset[str], ...]:
    """How a graph of so many nodes is simplified."""
    if size <= READABLE:
        return STRATEGIES
    return (LARGE if size <= SURVEYABLE else VERY_LARGE,)


def _with_names(roots: Sequence[Node]) -> list[Node]:
    """`roots` with numbers that rounding moved away from one with a name put back: ``0.7978845608028653`` is
    ``sqrt(2/pi)``, and ``0.3333333333333333*x`` is ``x/3``."""
    new: dict[Node, Node] = {}
    for x in postorder(roots):
        if _is_float(x):
            value = float(constant_value(x))
            near = nearest_named(value)
            if near != value and math.isfinite(value):
                new[x] = constant(near).node
    roots = substitute(roots, new) if new else list(roots)
    products = {x: made for x in postorder(roots) if x.op.name == "mul" and (made := _parted(x)) is not None}
    return substitute(roots, products) if products else roots


def _is_float(x: Node) -> bool:
    return x.op.name == "constant" and x.type.dtype == "f64" and not x.type.shape


def _parted(x: Node) -> Node | None:
    """The product `x` with a number that is written with a line as one above and one below it."""
    for k, factor in enumerate(x.inputs):
        parts = parted(float(constant_value(factor))) if _is_float(factor) else None
        if parts is not None:
            above, below = (constant(v).node for v in parts)
            return node(lookup("div"), (node(x.op, (*x.inputs[:k], above, *x.inputs[k + 1 :])), below))
    return None


@dataclass
class _Search:
    """One way through the rules."""

    weigh: Cost
    facts: Assumptions
    omitted: frozenset[str]
    fractions: tuple[Fractions, Fractions]
    result: Simplified
    readable: bool = True
    """Whether the cost is that of reading, so that what saves a character or two may be worse."""
    finished: set[Node] = field(default_factory=set)
    """Nodes of which no shorter form was found."""


def _search(roots: Sequence[Node], weigh: Cost, facts: Assumptions, omitted: frozenset[str]) -> Simplified:
    pair = Fractions(), Fractions(lambda x: "not negative" in facts.known(x))
    search = _Search(weigh, facts, omitted, pair, Simplified(list(roots)), isinstance(weigh, Lengths))
    for _ in range(ROUNDS):
        before = search.result.nodes
        search.result.nodes = _round(before, search)
        if search.result.nodes == before:
            break
    return search.result


def _round(roots: Sequence[Node], search: _Search) -> list[Node]:
    order = postorder(roots)
    counts = consumer_counts(order)
    new: dict[Node, Node] = {}
    for x in order:
        inputs = tuple(new[i] for i in x.inputs)
        if x in search.finished and inputs == x.inputs:
            new[x] = x
            continue
        new[x] = _settled(canonical_node(x, inputs, [counts[i] == 1 for i in x.inputs]), search)
    return [new[root] for root in roots]


def _settled(x: Node, search: _Search) -> Node:
    """The shortest form of `x`, whose inputs have theirs but for those that were made on the way."""
    for _ in range(LEVELS):
        x = _shortest(x, search)
        fresh = unvisited(x.inputs, search.finished)
        if not fresh:
            break
        new: dict[Node, Node] = {}
        for y in fresh:
            new[y] = _shortest(_on(y, new), search)
        x = _on(x, new)
    return x


def _on(x: Node, new: Mapping[Node, Node]) -> Node:
    """The canonical form of `x` on the new forms of its inputs; `x` itself if none is new."""
    inputs = tuple(new.get(i, i) for i in x.inputs)
    return x if inputs == x.inputs else canonical_node(x, inputs, [True] * len(inputs))


def _shortest(x: Node, search: _Search) -> Node:
    weigh, result = search.weigh, search.result
    if x in search.finished:
        return x
    x = search.facts.oriented(x, weigh)
    length = weigh(x)
    while True:
        for name, candidate, assumed in _candidates(x, search):
            partial = name == "common factor" and candidate.op.name == "add" and search.readable and not _of_matrices(x)
            if candidate.type == x.type and weigh(candidate) < length - (LEAST_SAVING if partial else 0):
                result.steps.append((name, x, candidate))
                result.assumed += assumed
                x, length = candidate, weigh(candidate)
                break
        else:
            search.finished.add(x)
            return x


def _of_matrices(x: Node) -> bool:
    """Whether terms are array products, of which ``(A + A.T) @ x - b`` is read more easily than the sum of all."""
    return any(base is not None and base.op.name == "einsum" and x.type.shape for _, base in map(split, x.inputs))


def _candidates(x: Node, search: _Search) -> Iterator[tuple[str, Node, Assumed]]:
    yield from SHORT.steps(x, rebuild)
    yield from search.facts.forms(x)
    if x.op.name == "add" and "common factor" not in search.omitted:
        wide = expanded(x)
        if wide is not None:
            yield "multiply out", wide, []
        for candidate in factored(x):
            yield "common factor", candidate, []
    if ("one fraction" if x.op.name != "add" else "one fraction of a sum") not in search.omitted:
        yield from _fractions(x, search)
    for name, form, assumed in forms(x, search.omitted):
        yield name, form, assumed
        if name == "sum taken apart":
            yield from _fractions(form, search)
    if x.op.name in ("greater", "less", "greater_equal", "less_equal"):
        yield from _compared(x, search)


def _fractions(x: Node, search: _Search) -> Iterator[tuple[str, Node, Assumed]]:
    whole, apart = search.fractions
    for candidate, assumed in whole.candidates(x, signs="signs" not in search.omitted):
        yield "one fraction", candidate, assumed
    if "roots joined" not in search.omitted:
        for candidate, assumed in apart.candidates(x):
            yield "roots joined", candidate, assumed


def _compared(x: Node, search: _Search) -> Iterator[tuple[str, Node, Assumed]]:
    """``a > b`` as ``a - b > 0``."""
    a, b = x.inputs
    if number_of(a) is not None or number_of(b) is not None or not is_float(a.type.dtype):
        return
    zero = constant_node(0, a.type.dtype)
    for name, difference, assumed in _fractions(rebuild(node(lookup("sub"), (a, b))), search):
        yield name, node(x.op, (difference, zero)), [*assumed, ("finite", a), ("finite", b)]
