"""Formula text: what a person would write, and what `parse` reads back to the same canonical node.

The grammar is Python's, so are its precedences; ``^`` is never written.  Parentheses stand only where the grammar needs
them.  A numeric or scalar factor stands in front of a matrix product without parentheses, ``2*A.T @ (A @ x - b)``: the
grammar reads ``(2*A.T) @ …``, which is the same canonical node.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..compiler.types import Size, names
from ..expression import FUNCTIONS, Expr, symbol_name
from ..graph import Node
from .layouts import root_terms
from .notation import Notation
from .terms import Term, factors_of, signed
from .writer import Piece, Renderer, Written, write

NOTHING, COMPARISON, OR, AND, SUM, NEGATIVE, PRODUCT, FACTOR, UNARY, POWER, POSTFIX, ATOM = range(12)
STRENGTH = {"sum": SUM, "negative": NEGATIVE, "product": PRODUCT, "quotient": PRODUCT, "matmul": PRODUCT, "not": UNARY,
            "power": POWER, "transpose": POSTFIX, "index": POSTFIX}  # fmt: skip
BINARY = {"|": OR, "&": AND, "//": PRODUCT, "%": PRODUCT}
RESERVED = {"where", "pi", "e", "inf", "nan", *keyword.kwlist}


def text(value: Expr | Node | Sequence[Expr | Node], layout: str | None = None) -> str:
    """The formula as text, with shared parts named behind ``where``; one formula per line for a sequence.

    A derivative may be written in "numerator" or "denominator" `layout` (see `layouts`).

    `parse` reads it back, except where a constant array of more than 100 elements is abbreviated.

    >>> import symgrad as sg
    >>> x = sg.scalar("x")
    >>> text(2*x*sg.cos(x**2))
    '2*x*cos(x**2)'
    """
    values = [value] if isinstance(value, Expr | Node) else list(value)
    nodes = [v.node if isinstance(v, Expr) else v for v in values]
    notation = Notation(nodes)
    written = write(root_terms(values, notation, layout), RENDERER, taken_names(notation.order, values))
    return _joined(written)


def _joined(written: Written) -> str:
    tail = ", ".join(f"{name} = {body}" for name, body in written.shared)
    body = "\n".join(written.roots)
    if not tail:
        return body
    return f"{body} where {tail}" if len(written.roots) == 1 else f"{body}\nwhere {tail}"


def taken_names(order: Iterable[Node], values: Iterable[Expr | Node] = ()) -> set[str]:
    """The names that stand for something in a formula: symbols, sizes, functions, constants."""
    taken = RESERVED | set(FUNCTIONS)
    declared = [d for v in values if isinstance(v, Expr) for d in v.declared]
    sizes: set[Any] = set()
    for x in (*order, *declared):
        if x.op.name == "symbol":
            taken.add(symbol_name(x))
        sizes.update(n for n in x.type.shape if isinstance(n, Size))
        if x.op.name == "size":
            sizes.add(x.params[0])
    return taken.union(*(names(n) for n in sizes))


# ---- how a term is written

def strength(t: Term) -> int:
    """How strongly a term's outermost sign binds."""
    if t.form == "binary":
        return BINARY.get(t.data[0], COMPARISON)
    if t.form == "size":
        return size_strength(str(t.data[0]))
    if t.form == "number":
        return ATOM
    return STRENGTH.get(t.form, ATOM)


def size_strength(shown: str) -> int:
    """How strongly the outermost sign of a size binds."""
    bare = re.sub(r"\([^()]*\)", "", shown)
    return SUM if " " in bare else PRODUCT if "*" in bare or "/" in bare else NEGATIVE if bare[0] == "-" else ATOM


def pieces(t: Term) -> list[Piece]:
    """The text of a term around its parts."""
    match t.form:
        case "name" | "literal":
            return [t.data[0]]
        case "number":
            return [number_text(*t.data)]
        case "size":
            return [str(t.data[0])]
        case "sum":
            return _sum_pieces(t)
        case "negative":
            return ["-", *_signed_pieces(t.parts[0])]
        case "product":
            return _product_pieces(t)
        case "quotient":
            return _quotient_pieces(t)
        case "power":
            return _power_pieces(t)
        case "binary":
            own = strength(t)
            return [(t.parts[0], own + (own == COMPARISON)), f" {t.data[0]} ", (t.parts[1], own + 1 + (own == PRODUCT))]
        case "not":
            return ["~", (t.parts[0], UNARY)]
        case "matmul":
            return _separated([(p, UNARY) for p in t.parts], " @ ")
        case "transpose":
            return [(t.parts[0], POSTFIX), ".T"]
        case "index":
            return _index_pieces(t)
        case "list":
            return ["[", *_separated([(p, NOTHING) for p in t.parts], ", "), "]"]
        case _:
            return _call_pieces(t)


def number_text(value: Any, dtype: str, explicit: bool) -> str:
    """A number that is not negative: the shortest text that reads back as it, with ``.0`` only where needed."""
    if dtype in ("bool", "i64") or isinstance(value, bool | int):
        return str(value)
    if dtype == "f32":
        value = np.float32(value)
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf"
    if value == math.pi and dtype == "f64":
        return "pi"
    if value == int(value) and value < 1e15:
        return f"{int(value)}.0" if explicit else str(int(value))
    return str(value).replace("e+", "e")


def _separated(parts: Sequence[Piece], separator: str) -> list[Piece]:
    found: list[Piece] = []
    for k, p in enumerate(parts):
        found += [separator, p] if k else [p]
    return found


def _sum_pieces(t: Term) -> list[Piece]:
    found: list[Piece] = []
    for k, (sign, p) in enumerate(zip(t.data, t.parts, strict=True)):
        if k == 0 and sign < 0:
            found += ["-", *_signed_pieces(p)]
        else:
            found += [" - " if sign < 0 else " + " if k else "", (p, PRODUCT)]
    return found


def _product_pieces(t: Term) -> list[Piece]:
    """Factors joined by ``*``; a matrix product at the end needs no parentheses behind scalars."""
    *front, last = t.parts
    parts: list[Piece] = [
        (p, PRODUCT if k == 0 and p.form in ("quotient", "number") else FACTOR) for k, p in enumerate(front)
    ]
    bare = last.form == "matmul" and all(p.rank == 0 and p.form != "matmul" for p in front)
    return _separated([*parts, (last, PRODUCT if bare else FACTOR)], "*")


def _quotient_pieces(t: Term) -> list[Piece]:
    top, bottom = t.parts
    chain = factors_of(top)[-1].form == "matmul"
    return [(top, PRODUCT), " / " if chain else "/", (bottom, UNARY)]


def _signed_pieces(t: Term) -> list[Piece]:
    """A term behind a minus sign; a product begins with something else than a sum if it can."""
    if not _keeps_off_signs(t):
        return [(t, PRODUCT)]
    first = next((k for k, p in enumerate(t.parts) if not _keeps_off_signs(p)), None)
    if t.form != "product" or first is None:
        return [(t, FACTOR)]
    return _separated([(p, FACTOR) for p in (t.parts[first], *t.parts[:first], *t.parts[first + 1 :])], "*")


def _keeps_off_signs(t: Term) -> bool:
    """Whether a sign in front would be read as that of a sum, another canonical form, or of what // and % divide."""
    while t.form in ("product", "quotient", "matmul"):
        t = t.parts[0]
    return t.form in ("sum", "binary")


def _power_pieces(t: Term) -> list[Piece]:
    base, exponent = t.parts
    sign, body = signed(exponent)
    if sign < 0 and not body.parts:
        return [(base, POSTFIX), "**-", (body, POSTFIX)]
    return [(base, POSTFIX), "**", (exponent, POSTFIX)]


def _index_pieces(t: Term) -> list[Piece]:
    arrays = iter(t.parts[1:])
    items: list[Piece] = [i if i is not None else (next(arrays), NOTHING) for i in t.data]
    return [(t.parts[0], POSTFIX), "[", *_separated(items, ", "), "]"]


def _call_pieces(t: Term) -> list[Piece]:
    name, keywords = t.data
    arguments: list[Piece] = [(p, NOTHING) for p in t.parts]
    return [f"{name}(", *_separated([*arguments, *(f"{k}={v}" for k, v in keywords)], ", "), ")"]


RENDERER = Renderer(pieces, strength)
