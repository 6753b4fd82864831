"""`explain`: how a derivative comes about, step by step, as a textbook would write it down.

Three tables: the intermediate variables of the formula with their local derivatives; the cotangent of each, the grad
table of back-propagation, in the order in which it is filled; and the simplifications of the result by name, with the
number of operations before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .build import symbol
from .calculus import Variables, all_symbols, variables
from .derivatives import gradients
from .differentiation import active_nodes, require_differentiable, seed
from .errors import NotDifferentiable, ShapeError
from .expression import Expr
from .graph import Node, node, postorder, substitute
from .rewrite.canonical import canonicalise
from .rewrite.terms import number_of
from .show.text import text
from .simplifier import Simplified, simplify

MOST_ROWS = 60


@dataclass(frozen=True)
class Row:
    """One line of a table: a name, what it stands for, and a remark."""

    name: str
    meaning: str
    remark: str = ""


@dataclass(frozen=True)
class Explanation:
    """The tables of a derivation; prints as text."""

    title: str
    forward: tuple[Row, ...]
    backward: tuple[Row, ...]
    steps: tuple[Row, ...]
    results: tuple[Row, ...]
    operations: tuple[int, int]

    def __str__(self) -> str:
        lines = [self.title, "", "Intermediate variables and their local derivatives", *_table(self.forward)]
        lines += ["", "Cotangents, from the result back (bar v = d result / d v)", *_table(self.backward)]
        if self.steps:
            lines += ["", "Simplifications", *_table(self.steps)]
        before, after = self.operations
        lines += ["", f"Result ({before} operations before simplification, {after} after)", *_table(self.results)]
        return "\n".join(lines)

    __repr__ = __str__


def _table(rows: Sequence[Row]) -> list[str]:
    shown = rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS - 1], Row("…", f"{len(rows) - MOST_ROWS + 1} more")]
    first = max((len(r.name) for r in shown), default=0)
    second = min(max((len(r.meaning) for r in shown), default=0), 60)
    return [f"  {r.name:>{first}} = {r.meaning:<{second}}   {r.remark}".rstrip() for r in shown]


def explain(x: Expr, wrt: Variables = None) -> Explanation:
    """The derivation of the gradient of the scalar `x`.  Raises ShapeError, NotDifferentiable, ArgumentError."""
    nodes, _ = variables(x, wrt, "explain")
    if x.ndim:
        raise ShapeError(f"explain: needs a scalar, got {x.type}")
    for n in (x.node, *nodes):
        require_differentiable(n, "explain")
    (root,) = canonicalise([x.node])
    order = postorder([root])
    names = _names(order)
    active = active_nodes(order, nodes)
    found: Simplified = simplify(gradients(root, nodes))
    raw = gradients(root, nodes)
    return Explanation(
        f"{text(x)}, derived with respect to {', '.join(names[n] for n in nodes)}",
        tuple(_forward(order, names, active)), tuple(_backward(order, names, active, root)),
        tuple(Row(name, "", f"{text(a)}  →  {text(b)}") for name, a, b in found.steps),
        tuple(Row(f"d/d{names[n]}", text(Expr(g, all_symbols(x)))) for n, g in zip(nodes, found.nodes, strict=True)),
        (operations(raw), operations(found.nodes)),
    )  # fmt: skip


def operations(roots: Sequence[Node]) -> int:
    """The number of operations of a graph: nodes that are not symbols, constants or sizes."""
    return sum(bool(n.inputs) for n in postorder(roots))


def _names(order: Sequence[Node]) -> dict[Node, str]:
    taken = {str(n.params[0]) for n in order if n.op.name == "symbol"}
    names: dict[Node, str] = {}
    count = 0
    for n in order:
        if n.op.name == "symbol":
            names[n] = str(n.params[0])
        elif n.inputs:
            count += 1
            while f"v{count}" in taken:
                count += 1
            names[n] = f"v{count}"
    return names


def _stand_in(n: Node, names: dict[Node, str]) -> Node:
    return symbol(names[n], n.type).node if n in names and n.op.name != "symbol" else n


def _forward(order: Sequence[Node], names: dict[Node, str], active: set[Node]) -> list[Row]:
    rows = []
    for n in order:
        if n.inputs:
            inputs = [_stand_in(i, names) for i in n.inputs]
            rows.append(Row(names[n], text(node(n.op, tuple(inputs), n.params)), _local(n, inputs, names, active)))
    return rows


def _local(n: Node, inputs: Sequence[Node], names: dict[Node, str], active: set[Node]) -> str:
    """The partial derivatives of an elementwise operation with respect to the operands that count."""
    if n.op.partials is None or n not in active:
        return ""
    slopes = n.op.partials(Expr(_stand_in(n, names)), *map(Expr, inputs))
    parts = []
    for i, p in zip(n.inputs, slopes, strict=True):
        if i in active and p is not None and number_of(i) is None:
            shown = p.partial if hasattr(p, "partial") else p
            value = text(canonicalise([shown.node])[0]) if isinstance(shown, Expr) else str(shown)
            parts.append(f"d{names[n]}/d{names[i]} = {value}")
    return ", ".join(dict.fromkeys(parts))


def _backward(order: Sequence[Node], names: dict[Node, str], active: set[Node], root: Node) -> list[Row]:
    contributions: dict[Node, list[str]] = {root: [text(seed(root.type))]}
    rows = []
    for y in reversed(order):
        if y not in contributions or y not in active:
            continue
        rows.append(Row(f"bar {names[y]}", " + ".join(contributions[y])))
        if not y.inputs or y.op.name == "stop_gradient":
            continue
        if y.op.vjp is None:
            raise NotDifferentiable(f"{y.op.name}: has no derivative")
        g = symbol(f"bar_{names[y]}", y.type)
        inputs = [_stand_in(i, names) for i in y.inputs]
        own = node(y.op, tuple(inputs), y.params)
        found = y.op.vjp(g, Expr(own), *map(Expr, inputs))
        back = {own: _stand_in(y, names)}
        for i, part in zip(y.inputs, found, strict=True):
            if part is not None and i in active:
                (shown,) = canonicalise(substitute([part.node], back))
                contributions.setdefault(i, []).append(text(shown).replace("bar_", "bar "))
    return rows
