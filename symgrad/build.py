"""Symbols and the notation for shapes: ``"m,n"``, ``"f32[m, 2*n]"``, ``""`` for a scalar."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import Any

from .compiler.types import DTYPES, ArrayType, Dim, floordiv, max0, named
from .element_types import element_type
from .errors import ArgumentError, ShapeError
from .expression import Expr, dim, function
from .graph import lookup, node
from .properties import OF_MATRICES, declared_properties

LONGEST_NAME = 200
_TOKEN = re.compile(r"\s*(?:(\d+)|([^\W\d]\w*)|(//|[-+*(),]))", re.UNICODE)


def check_name(name: object, what: str = "symbol") -> str:
    """`name` if it can name a symbol or a size: an identifier in normal form that is not a word of Python's grammar.

    Raises ArgumentError otherwise."""
    if not isinstance(name, str):
        raise ArgumentError(f"the name of a {what} must be text, got {type(name).__name__}")
    shown = ascii(name[:60])
    if not name.isidentifier() or len(name) > LONGEST_NAME:
        raise ArgumentError(f"{shown} cannot name a {what}: use letters, digits and _, not starting with a digit")
    if (keyword.iskeyword(name) and name != "lambda") or name == "lambda":
        raise ArgumentError(f"{shown} cannot name a {what}: it is a reserved word (write {name}_ instead)")
    if unicodedata.normalize("NFKC", name) != name:
        raise ArgumentError(
            f"{shown} cannot name a {what}: it looks like {unicodedata.normalize('NFKC', name)!r}; use that"
        )
    return name


def parse_size(text: str) -> Dim:
    """The size written in `text`: integers, names, + - * // and parentheses, ``max(0, n)``.  Raises ShapeError."""
    if len(text) > 1000:
        raise ShapeError("a size is longer than 1000 characters")
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ShapeError(f"size {text!r}: unexpected {text[at:].strip()[:1]!r}")
        tokens.append(match.group().strip())
        at = match.end()
    result, rest = _sum(tokens, text, 0)
    if rest:
        raise ShapeError(f"size {text!r}: unexpected {rest[0]!r}")
    return result


def _sum(tokens: list[str], text: str, depth: int) -> tuple[Dim, list[str]]:
    total, rest = _term(tokens, text, depth)
    while rest and rest[0] in "+-":
        term, after = _term(rest[1:], text, depth)
        total, rest = (total + term if rest[0] == "+" else total - term), after
    return total, rest


def _term(tokens: list[str], text: str, depth: int) -> tuple[Dim, list[str]]:
    total, rest = _atom(tokens, text, depth)
    while rest and rest[0] in ("*", "//"):
        factor, after = _atom(rest[1:], text, depth)
        if rest[0] == "//" and factor == 0:
            raise ShapeError(f"size {text!r}: division by zero")
        total, rest = (total * factor if rest[0] == "*" else floordiv(total, factor)), after
    return total, rest


def _atom(tokens: list[str], text: str, depth: int) -> tuple[Dim, list[str]]:
    if not tokens or depth > 50:
        raise ShapeError(f"size {text[:80]!r}: {'ends too early' if not tokens else 'too deeply nested'}")
    head, *rest = tokens
    if head == "-":
        value, rest = _atom(rest, text, depth + 1)
        return -1 * value, rest
    if head == "(":
        value, rest = _sum(rest, text, depth + 1)
    elif head == "max" and rest[:3] == ["(", "0", ","]:
        value, rest = _sum(rest[3:], text, depth + 1)
        value = max0(value)
    elif head.isdigit():
        if len(head) > 18:
            raise ShapeError(f"size {head[:20]}…: larger than any array")
        return int(head), rest
    elif head.isidentifier():
        return named(check_name(head, "size")), rest
    else:
        raise ShapeError(f"size {text!r}: unexpected {head!r}")
    if not rest or rest[0] != ")":
        raise ShapeError(f"size {text!r}: a parenthesis is not closed")
    return value, rest[1:]


def parse_type(text: object) -> ArrayType:
    """The type that a shape notation stands for: ``""`` or ``()`` scalar, ``"m,n"`` or ``("m", "n")`` or ``(3, "n")``
    float64 of that shape, ``"f32[m,n]"``, ``"i64"``.  Raises ShapeError."""
    if isinstance(text, ArrayType):
        return text
    if isinstance(text, int):
        return ArrayType("f64", (_checked(text),))
    if isinstance(text, tuple | list):
        return ArrayType("f64", tuple(_checked(dim(n)) for n in text))
    if not isinstance(text, str):
        raise ShapeError(f"a shape is text such as 'm,n' or a tuple of sizes, got {type(text).__name__}")
    dtype, inside = "f64", text.strip()
    match = re.match(r"(\w+)\s*(?:\[(.*)\])?$", inside, re.DOTALL)
    if match and (match.group(1) in DTYPES or match.group(2) is not None):
        dtype, inside = match.group(1), match.group(2) or ""
        if dtype not in DTYPES:
            raise ShapeError(f"{dtype!r} is not an element type: use {', '.join(DTYPES)}")
    elif inside.startswith("[") and inside.endswith("]"):
        inside = inside[1:-1]
    if not inside.strip():
        return ArrayType(dtype)
    shape = tuple(_checked(parse_size(part)) for part in inside.rstrip(", ").split(","))
    if len(shape) > 32:
        raise ShapeError(f"{len(shape)} axes; at most 32 are supported")
    return ArrayType(dtype, shape)


def _checked(n: Dim) -> Dim:
    if isinstance(n, int) and not 0 <= n < 2**62:
        raise ShapeError(f"size {n} is {'negative' if n < 0 else 'larger than any array'}")
    return n


def symbol(name: str, type_: ArrayType, said: tuple[str, ...] = ()) -> Expr:
    """The symbol called `name` of the given type, of which the properties `said` are known."""
    x = node(lookup("symbol"), (), (check_name(name), type_, said) if said else (check_name(name), type_))
    return Expr(x, (x,))


def scalar(name: str, dtype: Any = "f64", **properties: bool) -> Expr:
    """A scalar symbol.  What is known of it can be said: ``positive=True``, `nonnegative`, `negative`, `nonzero`,
    `integer`, `real`; `simplify` and `same` use that.

    >>> import symgrad as sg
    >>> x = sg.scalar("x")
    >>> sg.sin(x**2).grad(x)
    2*x*cos(x**2)
    >>> sg.sqrt(sg.scalar("r", positive=True) ** 2).simplify()
    r
    """
    return tensor(name, (), dtype, **properties)


def vector(name: str, n: Any = None, dtype: Any = "f64", **properties: bool) -> Expr:
    """A vector symbol of size `n`: an integer, a size name or a polynomial of names; by default a size of its own.
    Properties (see `scalar`) hold for every element."""
    return tensor(name, (f"n_{name}" if n is None else n,), dtype, **properties)


def matrix(name: str, m: Any = None, n: Any = None, dtype: Any = "f64", **properties: bool) -> Expr:
    """A matrix symbol with `m` rows and `n` columns (see `vector`); ``matrix("X", "m,n")`` works too.  Said to be
    `symmetric`, `invertible` or `positive_definite`, it is square unless sizes say otherwise.

    >>> import symgrad as sg
    >>> A, x = sg.matrix("A", "n", symmetric=True), sg.vector("x", "n")
    >>> (x @ A @ x).grad(x).simplify()
    2*A @ x
    """
    if isinstance(m, str) and "," in m and n is None:
        return tensor(name, m, dtype, **properties)
    rows = f"m_{name}" if m is None else m
    square = any(properties.get(word.replace(" ", "_")) for word in OF_MATRICES)
    columns = n if n is not None else rows if square else f"n_{name}"
    return tensor(name, (rows, columns), dtype, **properties)


def tensor(name: str, shape: Any = (), dtype: Any = "f64", **properties: bool) -> Expr:
    """A symbol of any shape, written as text (``"m,n,3"``) or as a tuple of sizes, with properties (see `scalar`).
    Raises ShapeError, DTypeError."""
    type_ = parse_type(shape)
    type_ = type_ if type_.dtype != "f64" else ArrayType(element_type(dtype), type_.shape)
    return symbol(name, type_, declared_properties(check_name(name), type_, properties))


__all__ = ["check_name", "function", "matrix", "parse_size", "parse_type", "scalar", "symbol", "tensor", "vector"]
