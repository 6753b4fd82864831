"""The computational graph as a picture: SVG without Graphviz, or DOT text for it.

Nodes of the value and nodes that differentiation appended have two colours; shapes stand on the edges.  A graph of many
nodes is folded: neighbours in topological order become blocks.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from ..errors import ArgumentError
from ..expression import Expr, constant_value
from ..graph import Node, postorder
from .arrays import einsum_params
from .layout import layered
from .text import text

LARGEST, CONNECTED, MOST_TYPES = 60, 2, 2
"""How many nodes are drawn one by one; of more, a block for every two of these, since blocks have more edges each; and
how many types are said of an edge between blocks."""
SIGNS = {"add": "+", "mul": "×", "div": "÷", "sub": "−", "neg": "−", "pow": "^", "delta": "I", "iota": "0, 1, …"}
COLOURS = {
    "value": ("#dce8f5", "#2b6cb0"), "derivative": ("#fde4d0", "#c05621"), "symbol": ("#ffffff", "#2b6cb0"),
    "constant": ("#f4f4f4", "#888888"),
}  # fmt: skip
FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"
WIDTH_OF_A_LETTER, HEIGHT, GAP, STEP, MARGIN = 7.6, 28.0, 26.0, 74.0, 16.0


@dataclass(frozen=True, slots=True)
class Vertex:
    """A node or a block of nodes as it is drawn: `kind` is a key of COLOURS."""

    label: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of a graph.  Shows itself in notebooks; `svg` and `dot` are its texts, `save` writes it to a file.

    `vertices` are numbered in topological order, `edges` are (from, to, type of what flows)."""

    vertices: tuple[Vertex, ...]
    edges: tuple[tuple[int, int, str], ...]
    outputs: frozenset[int] = field(default=frozenset())

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        return _svg(self)

    @property
    def dot(self) -> str:
        """The graph in Graphviz' language."""
        return _dot(self)

    def save(self, path: str | Path) -> Path:
        """Writes ``.svg``, or ``.dot`` (``.gv``), and returns the path.  Raises ArgumentError for other endings."""
        target = Path(path)
        texts = {".svg": lambda: self.svg, ".dot": lambda: self.dot, ".gv": lambda: self.dot}
        if target.suffix not in texts:
            raise ArgumentError(f"draw: a file ends in .svg, .dot or .gv, got {target.name!r}")
        target.write_text(texts[target.suffix](), encoding="utf-8")
        return target

    def _repr_svg_(self) -> str:
        return self.svg


def draw(
    value: Expr | Node | Sequence[Expr | Node], derivatives: Sequence[Expr | Node] = (), *, largest: int = LARGEST
) -> Drawing:
    """The graph of `value`, and in another colour what only `derivatives` need.  With more than `largest` nodes it is
    folded into about half as many blocks."""
    values = [value] if isinstance(value, Expr | Node) else list(value)
    first = [v.node if isinstance(v, Expr) else v for v in values]
    further = [d.node if isinstance(d, Expr) else d for d in derivatives]
    primal = postorder(first)
    order = postorder([*first, *further])
    groups = _folded(order, len(primal), largest)
    number = {x: k for k, group in enumerate(groups) for x in group}
    vertices = tuple(_vertex(group, k < number_of_groups(groups, len(primal))) for k, group in enumerate(groups))
    edges: dict[tuple[int, int, str], None] = {}
    for x in order:
        for i in x.inputs:
            if number[i] != number[x]:
                edges.setdefault((number[i], number[x], str(i.type)))
    if len(groups) < len(order):
        edges = _bundled(edges)
    return Drawing(vertices, tuple(edges), frozenset(number[x] for x in (*first, *further)))


def _bundled(edges: Iterable[tuple[int, int, str]]) -> dict[tuple[int, int, str], None]:
    """One edge between two blocks, with the types of all that flows."""
    types: dict[tuple[int, int], list[str]] = {}
    for a, b, t in edges:
        types.setdefault((a, b), []).append(t)
    return {(a, b, ", ".join(ts[:MOST_TYPES]) + (", …" if len(ts) > MOST_TYPES else "")): None
            for (a, b), ts in types.items()}  # fmt: skip


def _folded(order: Sequence[Node], primal: int, largest: int) -> list[list[Node]]:
    """The nodes in groups of neighbours in topological order; symbols and both colours stay apart.

    Edges between groups run forwards, because they do between nodes."""
    if len(order) <= largest:
        return [[x] for x in order]
    inner = [x for x in order if x.inputs]
    size = -(-len(inner) // max(1, largest // CONNECTED))
    groups: list[list[Node]] = []
    for part in (order[:primal], order[primal:]):
        groups += [[x] for x in part if x.op.name == "symbol"]
        rest = [x for x in part if x.op.name != "symbol"]
        groups += [rest[k : k + size] for k in range(0, len(rest), size)]
    return groups


def number_of_groups(groups: Sequence[Sequence[Node]], primal: int) -> int:
    """How many of the first groups hold the first `primal` nodes."""
    seen = 0
    for k, group in enumerate(groups):
        if seen >= primal:
            return k
        seen += len(group)
    return len(groups)


def _vertex(group: Sequence[Node], of_value: bool) -> Vertex:
    kind = "value" if of_value else "derivative"
    if len(group) == 1:
        (x,) = group
        kind = x.op.name if x.op.name in ("symbol", "constant") else "constant" if not x.inputs else kind
        return Vertex(label_of(x), kind, f"{x.op.name}: {x.type}")
    counts: dict[str, int] = {}
    for x in group:
        counts[x.op.name] = counts.get(x.op.name, 0) + 1
    common = sorted(counts, key=lambda name: (-counts[name], name))
    shown = ", ".join(SIGNS.get(n, n) for n in common[:3]) + (", …" if len(common) > 3 else "")
    title = ", ".join(f"{counts[n]} {n}" for n in common)
    return Vertex(f"{len(group)} nodes: {shown}", kind, title)


def label_of(x: Node) -> str:
    """What a person writes for the operation of a node."""
    if x.op.name == "constant":
        return text(x) if constant_value(x).size < 4 else f"{x.type}"
    if not x.inputs or x.op.name == "cast":
        return text(x) if not x.inputs else x.type.dtype
    if x.op.name == "einsum":
        labels, out, _ = einsum_params(x)
        letters = string.ascii_lowercase[8:] + string.ascii_lowercase[:8] + string.ascii_uppercase
        shown = ",".join("".join(letters[k] for k in ls) for ls in labels)
        return f"{shown} → {''.join(letters[k] for k in out) or '·'}"
    return SIGNS.get(x.op.name, x.op.text if isinstance(x.op.text, str) else x.op.name)


# ---- SVG

def _svg(d: Drawing) -> str:
    widths = [max(HEIGHT, len(v.label) * WIDTH_OF_A_LETTER + 18) for v in d.vertices]
    layout = layered(widths, [(a, b) for a, b, _ in d.edges], GAP, STEP)
    width, height = layout.width + 2 * MARGIN, layout.height + HEIGHT + 2 * MARGIN
    size = f"width='{width:.0f}' height='{height:.0f}' viewBox='0 0 {width:.0f} {height:.0f}'"
    lines = [f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT} font-size='12'>", _ARROW]
    lines.append(f"<rect width='{width:.0f}' height='{height:.0f}' fill='#ffffff'/>")

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return point[0] + MARGIN, height - MARGIN - HEIGHT / 2 - point[1]

    said: set[tuple[int, str]] = set()
    words: list[str] = []
    lines.append("<g fill='none' stroke='#666666' marker-end='url(#arrow)'>")
    for route, (start, _, type_) in zip(layout.routes, d.edges, strict=True):
        line, word = _edge([place(p) for p in route], "" if (start, type_) in said else type_)
        lines.append(line)
        words += word
        said.add((start, type_))
    lines += ["</g>", "<g font-size='9' fill='#666666'>", *words, "</g>"]
    for k, (v, centre, w) in enumerate(zip(d.vertices, layout.places, widths, strict=True)):
        lines.append(_box(v, place(centre), w, k in d.outputs))
    return "\n".join([*lines, "</svg>"]) + "\n"


_ARROW = (
    "<defs><marker id='arrow' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
    "<path d='M0,0 L8,4 L0,8 z' fill='#666666'/></marker></defs>"
)


def _edge(points: Sequence[tuple[float, float]], type_: str) -> tuple[str, list[str]]:
    """A smooth line through the points, upwards, and the type, if it is not said yet, beside its first part."""
    (x0, y0), *rest = points
    path = f"M{x0:.0f},{y0 - HEIGHT / 2:.0f}"
    before = (x0, y0 - HEIGHT / 2)
    for k, (x, y) in enumerate(rest):
        end = y + HEIGHT / 2 if k == len(rest) - 1 else y
        middle = (before[1] + end) / 2
        path += f"C{before[0]:.0f},{middle:.0f} {x:.0f},{middle:.0f} {x:.0f},{end:.0f}"
        before = (x, end)
    near = rest[0][0] if rest else x0
    tx, ty = x0 + 0.25 * (near - x0) + 4, y0 - HEIGHT / 2 - 8
    return f"<path d='{path}'/>", [f"<text x='{tx:.0f}' y='{ty:.0f}'>{escape(type_)}</text>"] if type_ else []


def _box(v: Vertex, centre: tuple[float, float], width: float, output: bool) -> str:
    fill, stroke = COLOURS[v.kind]
    x, y = centre
    corner = HEIGHT / 2 if v.kind == "symbol" else 5
    line = 2.4 if output else 1.2
    left, top = x - width / 2, y - HEIGHT / 2
    return (
        f"<g><title>{escape(v.title)}</title>"
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{width:.1f}' height='{HEIGHT:.0f}' rx='{corner:.0f}' "
        f"fill='{fill}' stroke='{stroke}' stroke-width='{line}'/>"
        f"<text x='{x:.1f}' y='{y + 4:.1f}' text-anchor='middle'>{escape(v.label)}</text></g>"
    )


# ---- DOT

def _dot(d: Drawing) -> str:
    lines = ["digraph {", "  rankdir=BT;", '  node [style="filled,rounded", shape=box, fontname="Helvetica"];']
    for k, v in enumerate(d.vertices):
        fill, stroke = COLOURS[v.kind]
        weight = ", penwidth=2.4" if k in d.outputs else ""
        lines.append(f'  v{k} [label={_quoted(v.label)}, fillcolor="{fill}", color="{stroke}"{weight}];')
    lines += [f"  v{a} -> v{b} [label={_quoted(t)}, fontsize=9];" for a, b, t in d.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(shown: str) -> str:
    backslash, quote = "\\", '"'
    return quote + shown.replace(backslash, backslash * 2).replace(quote, backslash + quote) + quote


__all__ = ["Drawing", "draw"]
