"""`simplify`: the shortest form found by rules, and what was assumed to get there.

Rounds of one walk up the graph each: every node is brought to canonical form, then rules of the short set, common
factors and multiplying out are tried, and a step is taken only if the formula gets shorter (`rewrite.cost`).  Since
every accepted step lowers one number, the search ends; a round that changes nothing is the last.  The walk visits each
distinct node once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .graph import Node, consumer_counts, postorder
from .rewrite import short_selections as short_selections
from .rewrite.canonical import canonical_node, canonicalise, rebuild
from .rewrite.cost import Lengths
from .rewrite.engine import Assumed
from .rewrite.factoring import expanded, factored
from .rewrite.fractions import Fractions
from .rewrite.short import SHORT
from .rewrite.short_arrays import forms

ROUNDS = 12
Step = tuple[str, Node, Node]


@dataclass
class Simplified:
    """Simplified nodes, the steps that led there as (rule, before, after), and what was assumed of which nodes."""

    nodes: list[Node]
    steps: list[Step] = field(default_factory=list)
    assumed: list[tuple[str, Node]] = field(default_factory=list)


def simplify(roots: Sequence[Node], cost: Callable[[Node], int] | None = None) -> Simplified:
    """The shortest forms found of `roots` under `cost` (by default the length of the printed formula)."""
    result = Simplified(canonicalise(roots))
    weigh = cost or Lengths()
    fractions = Fractions()
    for _ in range(ROUNDS):
        before = result.nodes
        result.nodes = _round(before, weigh, result, fractions)
        if all(a is b for a, b in zip(before, result.nodes, strict=True)):
            break
    result.assumed = list(dict.fromkeys(result.assumed))
    return result


def _round(
    roots: Sequence[Node], weigh: Callable[[Node], int], result: Simplified, fractions: Fractions
) -> list[Node]:
    order = postorder(roots)
    counts = consumer_counts(order)
    new: dict[Node, Node] = {}
    for x in order:
        inputs = tuple(new[i] for i in x.inputs)
        new[x] = _shortest(canonical_node(x, inputs, [counts[i] == 1 for i in x.inputs]), weigh, result, fractions)
    return [new[root] for root in roots]


def _shortest(x: Node, weigh: Callable[[Node], int], result: Simplified, fractions: Fractions) -> Node:
    length = weigh(x)
    while True:
        for name, candidate, assumed in _candidates(x, fractions):
            if candidate.type == x.type and weigh(candidate) < length:
                result.steps.append((name, x, candidate))
                result.assumed += assumed
                x, length = candidate, weigh(candidate)
                break
        else:
            return x


def _candidates(x: Node, fractions: Fractions) -> Iterator[tuple[str, Node, Assumed]]:
    yield from SHORT.steps(x, rebuild)
    if x.op.name == "add":
        wide = expanded(x)
        if wide is not None:
            yield "multiply out", wide, []
        for candidate in factored(x):
            yield "common factor", candidate, []
    for candidate, assumed in fractions.candidates(x):
        yield "one fraction", candidate, assumed
    yield from forms(x)
