"""`explain`: how a derivative comes about, step by step, as a textbook would write it down.

Three tables: the intermediate variables of the formula with their local derivatives; the cotangent of each, the grad
table of back-propagation, in the order in which it is filled; and the simplifications of the result by name, with the
number of operations before and after.
"""

from __future__ import annotations

import re
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
from .show.latex import latex
from .show.text import text
from .simplifier import Simplified, simplify

MOST_ROWS = 60
COTANGENT = "bar_"
"""How the symbols of cotangents begin: text says ``bar v1``, LaTeX puts a bar above."""


@dataclass(frozen=True)
class Shown:
    """Something as text and as LaTeX."""

    text: str
    latex: str

    @classmethod
    def of(cls, x: Expr | Node) -> Shown:
        """A formula."""
        return cls(re.sub(rf"\b{COTANGENT}(?=\w)", "bar ", text(x)), latex(x))

    def followed(self, sign: str, other: Shown) -> Shown:
        """This, a sign, and the other."""
        return Shown(f"{self.text} {sign} {other.text}", f"{self.latex} {SIGNS.get(sign, sign)} {other.latex}")


SIGNS = {"→": r"\;\to\;"}
NOTHING = Shown("", "")


@dataclass(frozen=True)
class Row:
    """One line of a table: a name, what it stands for, and a remark."""

    name: Shown
    meaning: Shown
    remark: Shown = NOTHING


@dataclass(frozen=True)
class Explanation:
    """The tables of a derivation; prints as text, and in a notebook as LaTeX."""

    title: Shown
    forward: tuple[Row, ...]
    backward: tuple[Row, ...]
    steps: tuple[Row, ...]
    results: tuple[Row, ...]
    operations: tuple[int, int]

    def __str__(self) -> str:
        lines = [self.title.text]
        for heading, rows in self._tables():
            lines += ["", heading, *_table(rows)]
        return "\n".join(lines)

    __repr__ = __str__

    def latex(self) -> str:
        """The tables as one aligned block, without dollar signs."""
        lines = [rf"&{self.title.latex}"]
        for heading, rows in self._tables():
            lines.append(rf"&\textbf{{{heading}}}")
            for r in _cut(rows):
                sign = "=" if r.meaning.latex else ""
                lines.append(rf"&\quad {r.name.latex} {sign} {r.meaning.latex} \qquad {r.remark.latex}".rstrip())
        return r"\begin{aligned}" + " \\\\\n".join(lines) + r"\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def _tables(self) -> list[tuple[str, tuple[Row, ...]]]:
        before, after = self.operations
        found = [
            ("Intermediate variables and their local derivatives", self.forward),
            ("Cotangents, from the result back (bar v = d result / d v)", self.backward),
            ("Simplifications", self.steps),
            (f"Result ({before} operations before simplification, {after} after)", self.results),
        ]
        return [(heading, rows) for heading, rows in found if rows]


def _cut(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MOST_ROWS:
        return list(rows)
    more = f"{len(rows) - MOST_ROWS + 1} more"
    return [*rows[: MOST_ROWS - 1], Row(Shown("…", r"\dots"), Shown(more, rf"\text{{{more}}}"))]


def _table(rows: Sequence[Row]) -> list[str]:
    shown = [(r.name.text, r.meaning.text, r.remark.text) for r in _cut(rows)]
    first = max((len(name) for name, _, _ in shown), default=0)
    second = min(max((len(meaning) for _, meaning, _ in shown), default=0), 60)
    return [
        f"  {name:>{first}} = {meaning:<{second}}   {remark}".rstrip() if meaning else f"  {name:<{first}}   {remark}"
        for name, meaning, remark in shown
    ]


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
    raw = gradients(root, nodes)
    found: Simplified = simplify(raw)
    derived = ", ".join(names[n] for n in nodes)
    title = Shown(f"{text(x)}, derived with respect to {derived}",
                  rf"{latex(x)} \quad\text{{derived with respect to}}\quad "
                  + ", ".join(_name(n, names).latex for n in nodes))  # fmt: skip
    return Explanation(
        title, tuple(_forward(order, names, active)), tuple(_backward(order, names, active, root)),
        tuple(Row(Shown(name, rf"\text{{{name}}}"), NOTHING, Shown.of(a).followed("→", Shown.of(b)))
              for name, a, b in found.steps),
        tuple(Row(_derivative(n, names), Shown.of(Expr(g, all_symbols(x))))
              for n, g in zip(nodes, found.nodes, strict=True)),
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
            meaning = Shown.of(node(n.op, tuple(inputs), n.params))
            rows.append(Row(_name(n, names), meaning, _local(n, inputs, names, active)))
    return rows


def _derivative(n: Node, names: dict[Node, str]) -> Shown:
    return Shown(f"d/d{names[n]}", rf"\partial/\partial {_name(n, names).latex}")


def _name(n: Node, names: dict[Node, str]) -> Shown:
    return Shown.of(_stand_in(n, names))


def _local(n: Node, inputs: Sequence[Node], names: dict[Node, str], active: set[Node]) -> Shown:
    """The partial derivatives of an elementwise operation with respect to the operands that count."""
    if n.op.partials is None or n not in active:
        return NOTHING
    slopes = n.op.partials(Expr(_stand_in(n, names)), *map(Expr, inputs))
    parts: dict[str, Shown] = {}
    for i, p in zip(n.inputs, slopes, strict=True):
        if i in active and p is not None and number_of(i) is None:
            slope = p.partial if hasattr(p, "partial") else p
            plain = Shown(str(slope), str(slope))
            value = Shown.of(canonicalise([slope.node])[0]) if isinstance(slope, Expr) else plain
            quotient = Shown(f"d{names[n]}/d{names[i]}",
                             rf"\partial {_name(n, names).latex}/\partial {_name(i, names).latex}")  # fmt: skip
            shown = quotient.followed("=", value)
            parts[shown.text] = shown
    found = list(parts.values())
    return Shown(", ".join(p.text for p in found), r",\; ".join(p.latex for p in found))


def _backward(order: Sequence[Node], names: dict[Node, str], active: set[Node], root: Node) -> list[Row]:
    contributions: dict[Node, list[Shown]] = {root: [Shown.of(seed(root.type))]}
    rows = []
    for y in reversed(order):
        if y not in contributions or y not in active:
            continue
        g = symbol(f"{COTANGENT}{names[y]}", y.type)
        first, *more = contributions[y]
        for other in more:
            first = first.followed("+", other)
        rows.append(Row(Shown.of(g), first))
        if not y.inputs or y.op.name == "stop_gradient":
            continue
        if y.op.vjp is None:
            raise NotDifferentiable(f"{y.op.name}: has no derivative")
        inputs = [_stand_in(i, names) for i in y.inputs]
        own = node(y.op, tuple(inputs), y.params)
        found = y.op.vjp(g, Expr(own), *map(Expr, inputs))
        back = {own: _stand_in(y, names)}
        for i, part in zip(y.inputs, found, strict=True):
            if part is not None and i in active:
                (shown,) = canonicalise(substitute([part.node], back))
                contributions.setdefault(i, []).append(Shown.of(shown))
    return rows
