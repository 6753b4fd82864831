"""`explain`: how a derivative comes about, step by step, as a textbook would write it down.

Three tables: the intermediate variables of the formula with their local derivatives; the cotangent of each, the grad
table of back-propagation, in the order in which it is filled; and the simplifications of the result by name, with the
number of operations before and after.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .build import symbol
from .calculus import Variables, all_symbols, variables
from .derivatives import gradients
from .differentiation import active_nodes, require_differentiable, seed
from .errors import NotDifferentiable, ShapeError
from .expression import FUNCTIONS, Expr
from .graph import Node, consumer_counts, node, postorder, substitute
from .ops.elementwise import Masked
from .rewrite.canonical import canonicalise, rebuild
from .rewrite.ordinary import written
from .rewrite.terms import number_of
from .show.latex import latex
from .show.text import text
from .simplifier import Simplified, simplify

MOST_ROWS, SHORTENED = 60, 40
COTANGENT = "bar_"
"""How the symbols of cotangents begin: text says ``bar v1``, LaTeX puts a bar above."""


@dataclass(frozen=True)
class Shown:
    """Something as text and as LaTeX."""

    text: str
    latex: str

    @classmethod
    def of(cls, x: Expr | Node) -> Shown:
        """A formula; a whole number without the point that says its type."""
        n = x.node if isinstance(x, Expr) else x
        value = number_of(n)
        if value is not None and value.denominator == 1:
            return cls(str(value), str(value))
        return cls(re.sub(rf"\b{COTANGENT}(?=\w)", "bar ", text(x)), latex(x))

    def followed(self, sign: str, other: Shown) -> Shown:
        """This, a sign, and the other; a minus in front of the other is the sign of both."""
        if sign == "+" and other.text.startswith("-"):
            return Shown(f"{self.text} - {other.text[1:]}", f"{self.latex} - {other.latex.removeprefix('-')}")
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
    root = _in_ordinary_notation(canonicalise([x.node])[0])
    order = postorder([root])
    names = _names(order)
    active = active_nodes(order, nodes)
    raw = gradients(canonicalise([x.node])[0], nodes)
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


def _in_ordinary_notation(root: Node) -> Node:
    """`root` with the operations that people write: ``sqrt(x**2 + y**2)`` for the hypotenuse."""
    new: dict[Node, Node] = {}
    for n in postorder([root]):
        same = rebuild(node(n.op, tuple(new[i] for i in n.inputs), n.params)) if n.inputs else n
        new[n] = (written(same) if n.op.name not in ("expm1", "log1p") else None) or same
    return new[root]


def operations(roots: Sequence[Node]) -> int:
    """The number of operations of a graph: nodes that are not symbols, constants or sizes."""
    return sum(bool(n.inputs) for n in postorder(roots))


def _names(order: Sequence[Node]) -> dict[Node, str]:
    """The names of symbols and intermediate variables; a term that a sum alone has is written in the sum."""
    taken = {str(n.params[0]) for n in order if n.op.name == "symbol"}
    counts = consumer_counts(order)
    inner = {t for n in order if n.op.name == "add" for t in n.inputs if _is_scaled(t) and counts[t] == 1}
    names: dict[Node, str] = {}
    count = 0
    for n in order:
        if n.op.name == "symbol":
            names[n] = str(n.params[0])
        elif n.inputs and n not in inner:
            count += 1
            while f"v{count}" in taken:
                count += 1
            names[n] = f"v{count}"
    return names


def _is_scaled(n: Node) -> bool:
    """Whether a node is a number times another."""
    return n.op.name == "mul" and len(n.inputs) == 2 and number_of(n.inputs[0]) is not None


def _stand_in(n: Node, names: dict[Node, str]) -> Node:
    if n.op.name == "symbol":
        return n
    if n in names:
        return symbol(names[n], n.type).node
    return node(n.op, tuple(_stand_in(i, names) for i in n.inputs), n.params) if _is_scaled(n) else n


def _forward(order: Sequence[Node], names: dict[Node, str], active: set[Node]) -> list[Row]:
    rows = []
    for n in order:
        if n.inputs and n in names:
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
            number, inner = (1, i) if i in names else (number_of(i.inputs[0]), i.inputs[1])
            value = _slope(p, number)
            quotient = Shown(f"d{names[n]}/d{names[inner]}",
                             rf"\partial {_name(n, names).latex}/\partial {_name(inner, names).latex}")  # fmt: skip
            shown = quotient.followed("=", value)
            parts[shown.text] = shown
    found = list(parts.values())
    return Shown(", ".join(p.text for p in found), r",\; ".join(p.latex for p in found))


def _total(parts: Sequence[Node]) -> Shown:
    """The sum of what the consumers of a variable contribute to its cotangent, each as short as it gets."""
    first, *more = (Shown.of(p) for p in (simplify(parts).nodes if len(postorder(parts)) <= SHORTENED else parts))
    for other in more:
        first = first.followed("+", other)
    return first


def _slope(partial: Any, number: Any) -> Shown:
    """A partial derivative times a number; one that counts only on one side of a kink with what says where."""
    condition = None
    if isinstance(partial, Masked):
        condition, partial = partial.condition, partial.partial
    if condition is not None and condition.node.op.name != "not_equal":
        partial = FUNCTIONS["mask"](condition, partial if isinstance(partial, Expr) else float(partial))
    if not isinstance(partial, Expr):
        return Shown(str(number * partial), str(number * partial))
    (shown,) = canonicalise([(partial if number == 1 else float(number) * partial).node])
    if shown.op.name == "mask" and number_of(shown.inputs[1]) == 1:
        return Shown.of(shown.inputs[0])
    return Shown.of(shown)


def _backward(order: Sequence[Node], names: dict[Node, str], active: set[Node], root: Node) -> list[Row]:
    contributions: dict[Node, list[Node]] = {root: [seed(root.type).node]}
    rows = []
    for y in reversed(order):
        if y not in contributions or y not in active:
            continue
        if y in names:
            g = symbol(f"{COTANGENT}{names[y]}", y.type)
            rows.append(Row(Shown.of(g), _total(contributions[y])))
        else:
            g = Expr(contributions[y][0])
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
                contributions.setdefault(i, []).append(shown)
    return rows
