"""LaTeX as a textbook sets it: bold vectors and matrices, transposes, elementwise products as a circled dot, fractions,
sums in index notation where there is no matrix notation, shared parts named behind *where*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..expression import Expr
from ..graph import OPS, Node
from .indexed import with_sums
from .latex_calls import CALLS, greek_name
from .layouts import root_terms
from .notation import Notation
from .terms import Term, factors_of
from .text import RENDERER as TEXT
from .text import number_text, size_strength, taken_names
from .writer import Piece, Renderer, shared_terms, write

NOTHING, CASES, COMPARISON, LOGIC, SUM, NEGATIVE, PRODUCT, FACTOR, POWER, ATOM = range(10)
STRENGTH = {"sum": SUM, "negative": NEGATIVE, "product": PRODUCT, "matmul": PRODUCT, "not": FACTOR, "power": POWER,
            "transpose": POWER, "index": ATOM, "subscript": ATOM, "quotient": FACTOR, "bigsum": SUM}  # fmt: skip
SIGNS = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne", "&": r"\wedge", "|": r"\vee",
         "//": r"\operatorname{div}", "%": r"\bmod"}  # fmt: skip


LONGEST_IN_A_NOTEBOOK = 20_000


@dataclass(frozen=True, slots=True)
class Style:
    """What `latex` may be asked to do differently.

    `bold`: vectors and matrices in bold type.  `transpose`: the superscript that transposes.  `elementwise`: the sign
    of the elementwise product.  `sums`: sums over all elements with a summation sign, otherwise as 1ᵀx.  `named`:
    shared parts are named behind *where*."""

    bold: bool = True
    transpose: str = r"\top"
    elementwise: str = r"\odot"
    sums: bool = True
    named: bool = True


def latex(
    value: Expr | Node | Sequence[Expr | Node], style: Style | None = None, layout: str | None = None
) -> str:
    """The formula in LaTeX, without dollar signs; several formulas as an aligned block.

    A derivative may be written in "numerator" or "denominator" `layout` (see `layouts`).

    >>> import symgrad as sg
    >>> x = sg.scalar("x")
    >>> latex(sg.sin(x)/x**2)
    '\\\\frac{\\\\sin\\\\left(x\\\\right)}{x^{2}}'
    """
    chosen = style or Style()
    values = [value] if isinstance(value, Expr | Node) else list(value)
    nodes = [v.node if isinstance(v, Expr) else v for v in values]
    notation = Notation(nodes)
    roots = root_terms(values, notation, layout)
    named = shared_terms(roots, TEXT) if chosen.named else []
    if chosen.sums:
        new = with_sums(roots, named, notation.terms)
        roots, named = [new[t] for t in roots], [new[t] for t in named]
    written = write(roots, _Latex(chosen).renderer(), taken_names(notation.order, values), named)
    body = written.roots[0]
    if len(written.roots) > 1:
        body = r"\begin{aligned}" + r" \\ ".join(f"&{t}" for t in written.roots) + r"\end{aligned}"
    tail = r",\; ".join(f"{name} = {text}" for name, text in written.shared)
    return rf"{body} \quad\text{{where}}\quad {tail}" if tail else body


def notebook_latex(value: Expr | Node | Sequence[Expr | Node]) -> str | None:
    """What a notebook renders of a formula; None for one so long that its text is the better picture."""
    shown = latex(value)
    return f"$\\displaystyle {shown}$" if len(shown) <= LONGEST_IN_A_NOTEBOOK else None


class _Latex:
    """How terms are written in one style."""

    def __init__(self, style: Style) -> None:
        self.style = style

    def renderer(self) -> Renderer:
        return Renderer(self.pieces, self.strength, r"\left(", r"\right)", lambda t, name: self._shared(name, t.rank))

    def _shared(self, name: str, rank: int) -> str:
        """The name of a shared part, in braces if it has a subscript: TeX refuses a second."""
        shown = self.name(name, rank)
        return f"{{{shown}}}" if "_" in shown else shown

    def strength(self, t: Term) -> int:
        """How strongly the outermost sign of a term binds."""
        if t.form == "size":
            return {8: NEGATIVE}.get(size_strength(str(t.data[0])), ATOM if str(t.data[0]).isidentifier() else SUM)
        if t.form == "binary":
            return LOGIC if t.data[0] in "&|" else PRODUCT if t.data[0] in ("//", "%") else COMPARISON
        if t.form == "index" and _spreads(t):
            return PRODUCT
        if t.form == "call":
            form = CALLS.get(t.data[0])
            return ATOM if form is None else form.strength(t)
        return STRENGTH.get(t.form, ATOM)

    def name(self, name: str, rank: int) -> str:
        """A symbol: its Greek letter if it is called so, digits and what follows _ as a subscript, arrays in bold; a
        bar above where the name begins with bar_."""
        if name.startswith("bar_") and len(name) > 4:
            return rf"\overline{{{self.name(name[4:], rank)}}}"
        match = re.fullmatch(r"(.+?)_?(\d+)_?|(.+?)_(.+)", name)
        base, index = (match.group(1) or match.group(3), match.group(2) or match.group(4)) if match else (name, None)
        shown = greek_name(base)
        if rank and self.style.bold:
            shown = rf"\boldsymbol{{{shown}}}" if "\\" in shown and r"\mathrm" not in shown else rf"\mathbf{{{base}}}"
        elif shown == base and len(base) > 1:
            shown = rf"\mathrm{{{base}}}"
        shown = shown.replace("_", r"\_")
        return f"{shown}_{{{index}}}".replace("_{_", "_{") if index else shown

    # ---- pieces

    def pieces(self, t: Term) -> list[Piece]:
        """The LaTeX of a term around its parts."""
        match t.form:
            case "name":
                return [self.name(t.data[0], t.rank)]
            case "number":
                return [latex_number(number_text(t.data[0], t.data[1], False))]
            case "size" | "literal":
                return [latex_size(str(t.data[0]))]
            case "sum":
                return self._sum(t)
            case "negative":
                return ["-", (t.parts[0], FACTOR if t.parts[0].form == "binary" else PRODUCT)]
            case "product":
                return self._product(t)
            case "quotient":
                return [r"\frac{", (t.parts[0], NOTHING), "}{", (t.parts[1], NOTHING), "}"]
            case "power":
                return self._power(t)
            case "matmul":
                return self._matmul(t)
            case "transpose":
                return [(t.parts[0], ATOM), f"^{{{self.style.transpose}}}"]
            case "binary":
                own = self.strength(t)
                return [(t.parts[0], own + 1), f" {SIGNS[t.data[0]]} ", (t.parts[1], own + 1)]
            case "not":
                return [r"\neg ", (t.parts[0], ATOM)]
            case "subscript":
                return self._subscript(t)
            case "bigsum":
                return [rf"\sum_{{{', '.join(t.data[0])}}} ", (t.parts[0], PRODUCT)]
            case _:
                return self._other(t)

    def _sum(self, t: Term) -> list[Piece]:
        found: list[Piece] = []
        for k, (sign, p) in enumerate(zip(t.data, t.parts, strict=True)):
            found += ["-" if k == 0 else " - "] if sign < 0 else [" + "] if k else []
            if t.rank == 2 and p.rank == 1:  # a vector in a sum of matrices is each of their rows
                found += [r"\mathbf{1} ", (p, ATOM), f"^{{{self.style.transpose}}}"]
                continue
            found.append((p, SUM if p.form == "bigsum" and k == len(t.parts) - 1 else PRODUCT))
        return found

    def _product(self, t: Term) -> list[Piece]:
        """Scalars side by side, arrays of one rank with the elementwise sign, vectors beside a matrix as diag."""
        scalars = [p for p in t.parts if p.rank == 0]
        arrays = [p for p in t.parts if p.rank > 0]
        found = _joined([(p, FACTOR) for p in scalars], _between)
        largest = max((p.rank for p in arrays), default=0)
        scaled = largest == 2 and any(self._scales(p) for p in arrays) and not all(self._scales(p) for p in arrays)
        rows = [p for p in arrays if scaled and self._scales(p) and p.rank == 2]
        columns = [p for p in arrays if scaled and self._scales(p) and p.rank == 1]
        inner = [p for p in arrays if p not in rows and p not in columns]
        bare = len(inner) == 1 and not rows and not columns
        shown: list[Piece] = []
        for p in rows:
            shown += [r"\operatorname{diag}\left(", (p.parts[0], NOTHING), r"\right) "]
        wrapped = len(inner) > 1 and bool(rows or columns)
        body = _joined([(p, PRODUCT if bare and p.form == "matmul" else FACTOR) for p in inner],
                       lambda a, b: f" {self.style.elementwise} ")  # fmt: skip
        shown += [r"\left(", *body, r"\right)"] if wrapped else body
        for p in columns:
            shown += [r" \operatorname{diag}\left(", (p, NOTHING), r"\right)"]
        return [*found, *([" "] if found and shown else []), *shown]

    def _scales(self, p: Term) -> bool:
        """Whether a factor of a product with a matrix scales its rows or columns."""
        return p.rank == 1 or (p.form == "index" and p.data == (":", "None") and p.parts[0].rank == 1)

    def _power(self, t: Term) -> list[Piece]:
        base, exponent = t.parts
        call = CALLS.get(base.data[0]) if base.form == "call" else None
        needed = ATOM if call is None or call.strength(base) >= ATOM else POWER + 1
        return [(base, needed), "^{", (exponent, NOTHING), "}"]

    def _matmul(self, t: Term) -> list[Piece]:
        """A chain of matrices; a vector in front is a row."""
        first, *rest = t.parts
        row = first.rank == 1
        start: list[Piece] = [(first, ATOM if row else FACTOR), f"^{{{self.style.transpose}}}" if row else ""]
        return [*start, *(piece for p in rest for piece in (" ", (p, FACTOR)))]

    def _subscript(self, t: Term) -> list[Piece]:
        (base,) = t.parts
        letters = t.data[0]
        if base.form == "name":
            shown = self.name(base.data[0], 0)
            return [f"{shown[:-1]}, {letters}}}" if "_{" in shown else f"{shown}_{{{letters}}}"]
        return [*self._braced(base), f"_{{{letters}}}"]

    def _braced(self, base: Term) -> list[Piece]:
        """What gets a subscript, in braces if it may have one already: TeX refuses a second."""
        plain = base.form == "name" and "_" not in self.name(base.data[0], base.rank)
        return [(base, ATOM)] if plain or self.strength(base) < ATOM else ["{", (base, ATOM), "}"]

    def _other(self, t: Term) -> list[Piece]:
        if t.form == "index":
            return self._index(t)
        if t.form == "list":
            elements = _joined([(p, NOTHING) for p in t.parts], lambda a, b: r" \\ ")
            return [r"\begin{pmatrix}", *elements, r"\end{pmatrix}"]
        name, keywords = t.data
        form = CALLS.get(name)
        if form is not None:
            return form.pieces(t, self.style.transpose)
        row = OPS.get(name)
        shown = row.latex if row is not None and row.latex else rf"\operatorname{{{name}}}".replace("_", r"\_")
        below = ", ".join(f"{k}={v}" for k, v in keywords)
        marked = rf"{shown}_{{\mathrm{{{below}}}}}" if below else shown
        return [rf"{marked}\left(", *_joined([(p, NOTHING) for p in t.parts], lambda a, b: ", "), r"\right)"]

    def _index(self, t: Term) -> list[Piece]:
        """Parts of arrays as subscripts; new axes as outer products with a vector of ones."""
        if _spreads(t):
            ones, top = r"\mathbf{1}", self.style.transpose
            if t.data[0] == ":":
                return [(t.parts[0], FACTOR), rf" {ones}^{{{top}}}"]
            return [rf"{ones} ", (t.parts[0], ATOM), f"^{{{top}}}"]
        arrays = iter(t.parts[1:])
        items: list[Piece] = [latex_size(i) if i is not None else (next(arrays), NOTHING) for i in t.data]
        items = [r"\mathrm{new}" if i == "None" else i for i in items]
        return [*self._braced(t.parts[0]), r"_{\left[", *_joined(items, lambda a, b: ", "), r"\right]}"]


def _spreads(t: Term) -> bool:
    """Whether an index makes a vector a row or a column, which is written as a product with a vector of ones."""
    return t.parts[0].rank == 1 and t.data in ((":", "None"), ("None", ":"))


def _joined(parts: Sequence[Piece], between: Callable[[Piece, Piece], str]) -> list[Piece]:
    found: list[Piece] = []
    for k, p in enumerate(parts):
        found += [between(parts[k - 1], p), p] if k else [p]
    return found


def _between(a: Piece, b: Piece) -> str:
    """A dot before a number, a space otherwise."""
    second = b[0] if not isinstance(b, str) else b
    while isinstance(second, Term) and second.form in ("power", "product"):
        second = factors_of(second.parts[0])[0]
    digits = isinstance(second, Term) and second.form == "number" and number_text(*second.data)[0].isdigit()
    return r" \cdot " if digits else " "


def latex_number(text: str) -> str:
    """A number: powers of ten, infinity, pi."""
    if text in ("inf", "nan", "True", "False"):
        return {"inf": r"\infty", "nan": r"\mathrm{NaN}"}.get(text, rf"\mathrm{{{text.lower()}}}")
    text = text.replace("*", " ").replace("pi", r"\pi")
    mantissa, _, exponent = text.partition("e")
    return text if not exponent else rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


def latex_size(text: str) -> str:
    """A size or a shape."""
    return text.replace("//", r" \mathbin{/\!/} ").replace("*", " ").replace("_", r"\_").replace('"', "")
