"""MathML (presentation), for pages that show formulas without a script: what `latex` sets, in elements."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..expression import Expr
from ..graph import OPS, Node
from .latex_calls import GREEK, SHORT
from .layouts import root_terms
from .notation import Notation
from .terms import Term
from .text import RENDERER as TEXT
from .text import STRENGTH as TEXT_STRENGTH
from .text import number_text, strength, taken_names
from .writer import Piece, Renderer, shared_terms, write

NOTHING, SUM, PRODUCT, FACTOR, POSTFIX = 0, 4, 6, 7, 10
SIGNS = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠", "&": "∧", "|": "∨", "%": "mod", "//": "div"}
NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
LETTERS = dict(zip(NAMES.split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", strict=True))


def mathml(value: Expr | Node | Sequence[Expr | Node], layout: str | None = None) -> str:
    """The formula as a `math` element; several formulas as rows of a table.

    >>> import symgrad as sg
    >>> mathml(sg.scalar("x")**2)
    '<math display="block"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    """
    values = [value] if isinstance(value, Expr | Node) else list(value)
    notation = Notation([v.node if isinstance(v, Expr) else v for v in values])
    roots = root_terms(values, notation, layout)
    named = shared_terms(roots, TEXT)
    written = write(roots, RENDERER, taken_names(notation.order, values), named)
    tail = "<mo>,</mo>".join(f"{name}<mo>=</mo><mrow>{body}</mrow>" for name, body in written.shared)
    where = f"<mtext>&#xa0;where&#xa0;</mtext><mrow>{tail}</mrow>" if tail else ""
    rows = [f"<mrow>{body}</mrow>" for body in written.roots]
    shown = rows[0] if len(rows) == 1 else _table(rows)
    return f'<math display="block">{shown}{where}</math>'


def _table(rows: Sequence[str]) -> str:
    return "<mtable>" + "".join(f"<mtr><mtd>{row}</mtd></mtr>" for row in rows) + "</mtable>"


def _name(name: str, rank: int = 0) -> str:
    base, _, index = name.partition("_")
    if index == "" and base.rstrip("0123456789") not in ("", base):
        base, index = base.rstrip("0123456789"), base[len(base.rstrip("0123456789")) :]
    base = SHORT.get(base, base)
    shown = LETTERS[base] if base in GREEK else base
    bold = ' mathvariant="bold"' if rank else ""
    symbol = f"<mi{bold}>{escape(shown)}</mi>"
    return f"<msub>{symbol}<mtext>{escape(index)}</mtext></msub>" if index else symbol


def _row(p: Term, needed: int = NOTHING) -> list[Piece]:
    return ["<mrow>", (p, needed), "</mrow>"]


def _pieces(t: Term) -> list[Piece]:
    match t.form:
        case "name":
            return [_name(t.data[0], t.rank)]
        case "number":
            return [_number(number_text(t.data[0], t.data[1], False))]
        case "size" | "literal":
            return [f"<mi>{escape(str(t.data[0]))}</mi>"]
        case "sum":
            return _sum(t)
        case "negative":
            return ["<mo>-</mo>", (t.parts[0], PRODUCT)]
        case "product":
            arrays = [p for p in t.parts if p.rank]
            sign = "<mo>⊙</mo>" if len(arrays) > 1 else "<mo>&#x2062;</mo>"
            return _joined(t.parts, sign, FACTOR)
        case "matmul":
            first = [*_superscript(t.parts[0], "⊤")] if t.parts[0].rank == 1 else [(t.parts[0], FACTOR)]
            return [*first, "<mo>&#x2062;</mo>", *_joined(t.parts[1:], "<mo>&#x2062;</mo>", FACTOR)]
        case "quotient":
            return ["<mfrac>", *_row(t.parts[0]), *_row(t.parts[1]), "</mfrac>"]
        case "power":
            exponent: list[Piece] = [(t.parts[1], NOTHING)] if not t.parts[1].parts else _row(t.parts[1])
            base: list[Piece] = [(t.parts[0], NOTHING)] if not t.parts[0].parts else _row(t.parts[0], POSTFIX)
            return ["<msup>", *base, *exponent, "</msup>"]
        case "transpose":
            return _superscript(t.parts[0], "⊤")
        case "binary":
            own = strength(t)
            sign = f"<mo>{escape(SIGNS.get(t.data[0], t.data[0]))}</mo>"
            return [(t.parts[0], own + 1), sign, (t.parts[1], own + 1)]
        case "not":
            return ["<mo>¬</mo>", (t.parts[0], FACTOR)]
        case "index":
            arrays_ = iter(t.parts[1:])
            items: list[Piece] = []
            for k, item in enumerate(t.data):
                items += ["<mo>,</mo>"] if k else []
                items.append(f"<mtext>{escape(item)}</mtext>" if item is not None else (next(arrays_), NOTHING))
            return ["<msub>", *_row(t.parts[0], POSTFIX), "<mrow>", *items, "</mrow></msub>"]
        case "list":
            return ["<mo>[</mo>", *_joined(t.parts, "<mo>,</mo>", NOTHING), "<mo>]</mo>"]
        case _:
            return _call(t)


def _sum(t: Term) -> list[Piece]:
    found: list[Piece] = []
    for k, (sign, p) in enumerate(zip(t.data, t.parts, strict=True)):
        found += ["<mo>-</mo>"] if sign < 0 else ["<mo>+</mo>"] if k else []
        found.append((p, PRODUCT))
    return found


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent or not exponent.lstrip("-").isdigit():
        return "".join(f"<mi>{LETTERS.get(p, p)}</mi>" if p.isalpha() else f"<mn>{p}</mn>" for p in text.split("*"))
    return f"<mn>{mantissa}</mn><mo>·</mo><msup><mn>10</mn><mn>{exponent}</mn></msup>"


def _superscript(p: Term, sign: str) -> list[Piece]:
    return ["<msup>", *_row(p, POSTFIX), f"<mo>{sign}</mo></msup>"]


def _joined(parts: Sequence[Term], sign: str, needed: int) -> list[Piece]:
    found: list[Piece] = []
    for k, p in enumerate(parts):
        found += [sign, (p, needed)] if k else [(p, needed)]
    return found


FENCES = {"abs": ("|", "|"), "norm": ("‖", "‖"), "floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}


def _call(t: Term) -> list[Piece]:
    name, keywords = t.data
    if name == "sqrt":
        return ["<msqrt>", *_row(t.parts[0]), "</msqrt>"]
    if name in FENCES and not keywords:
        left, right = FENCES[name]
        return [f"<mo>{left}</mo>", (t.parts[0], NOTHING), f"<mo>{right}</mo>"]
    if name == "inv":
        return ["<msup>", *_row(t.parts[0], POSTFIX), "<mrow><mo>-</mo><mn>1</mn></mrow></msup>"]
    if name == "outer":
        return [(t.parts[0], FACTOR), "<mo>&#x2062;</mo>", *_superscript(t.parts[1], "⊤")]
    if name in ("where", "mask"):
        return _cases(t)
    shown = "σ" if name == "sigmoid" else "Σ" if name == "sum" else {"trace": "tr"}.get(name, name)
    latex = OPS[name].latex if name in OPS else None
    label = f"<mi>{escape(shown if latex is None or len(shown) == 1 else name)}</mi>"
    below = ", ".join(f"{k}={v}" for k, v in keywords)
    marked = f"<msub>{label}<mtext>{escape(below)}</mtext></msub>" if below else label
    return [marked, "<mo>&#x2061;</mo><mo>(</mo>", *_joined(t.parts, "<mo>,</mo>", NOTHING), "<mo>)</mo>"]


def _cases(t: Term) -> list[Piece]:
    condition, first = t.parts[:2]
    other: list[Piece] = [(t.parts[2], NOTHING)] if len(t.parts) > 2 else ["<mn>0</mn>"]
    return ["<mo>{</mo><mtable><mtr><mtd>", *_row(first), "</mtd><mtd><mtext>if&#xa0;</mtext>", *_row(condition),
            "</mtd></mtr><mtr><mtd>", *other, "</mtd><mtd><mtext>otherwise</mtext></mtd></mtr></mtable>"]  # fmt: skip


def _strength(t: Term) -> int:
    if t.form == "call":
        return PRODUCT if t.data[0] == "outer" else TEXT_STRENGTH["index"]
    return strength(t)


RENDERER = Renderer(_pieces, _strength, "<mrow><mo>(</mo>", "<mo>)</mo></mrow>", lambda t, name: _name(name, t.rank))
