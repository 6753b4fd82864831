"""The reference of all functions, made from the table of operations: what a function is called, its arguments, what it
is in terms of others, its derivative as symgrad prints it, and how exact the compiled code is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from ..build import matrix, scalar, tensor, vector
from ..compiler.llvm.vecmath_accuracy import MEASURED
from ..compiler.types import is_float
from ..errors import SymgradError
from ..expression import FUNCTIONS, NUMPY, Expr
from ..ops.elementwise import SCALAR

LONGEST = 110
"""Longer formulas are not shown."""
THEMES = {
    "arithmetic": "Arithmetic, comparisons, selection", "functions": "Elementary functions",
    "special": "Special functions", "special_integrals": "Special functions that are integrals, and relatives",
    "removable": "Quotients with a removable singularity", "defects": "Differences without cancellation",
    "activations": "Activations and output units", "costs": "Costs",
    "contraction": "Products of arrays and reductions that are sums", "reductions": "Reductions",
    "softmax": "Shares of exponentials",
    "statistics": "Statistics",
    "quantiles": "Quantiles", "scans": "Scans and products", "sorting": "Sorting and choosing along an axis",
    "shaping": "Shapes and indexing", "gathering": "Several indices, truth values", "updates": "Changed copies",
    "arranging": "Arranging", "joining": "Joining and cutting", "triangles": "Triangles", "convolution": "Convolution",
    "sampled": "Values at given places",
    "polynomials": "Polynomials and integrals", "linear_algebra": "Linear algebra", "determinants": "Determinants",
    "factorisations": "Factorisations", "spectral": "Eigenvalues", "matrix_functions": "Functions of matrices",
    "leaves": "Element types", "control": "Loops", "batching": "Batches", "implicit": "Implicit functions",
    "custom": "Your own derivative",
}  # fmt: skip
"""The modules of the table, and what their sections are called."""


ELEMENTWISE = ("special", "special_integrals", "arithmetic", "removable", "defects", "functions", "activations")
"""Themes whose examples are numbers."""


@dataclass(frozen=True)
class Entry:
    """One function: its names, its arguments, what it says of itself, a value of it and the derivatives of that."""

    names: tuple[str, ...]
    signature: str
    doc: str
    numpy: str
    formula: str
    derivatives: tuple[str, ...]
    accuracy: str


def _theme(f: Callable[..., Any]) -> str:
    return f.__module__.rpartition(".")[2]


def _names() -> dict[Callable[..., Any], list[str]]:
    found: dict[Callable[..., Any], list[str]] = {}
    for name, f in FUNCTIONS.items():
        found.setdefault(f, []).append(name)
    return found


def entries(theme: str) -> Iterator[Entry]:
    """The functions that the module `theme` of the table defines, in their order."""
    for f, names in _names().items():
        if _theme(f) == theme:
            yield _entry(f, names)


def _entry(f: Callable[..., Any], names: list[str]) -> Entry:
    example = _example(f)
    formula = ""
    derivatives: tuple[str, ...] = ()
    if example is not None:
        y, arguments = example
        shown = str(y)
        call = f"{names[0]}({', '.join(map(str, arguments))})"
        formula = "" if shown == call or len(shown) > LONGEST else f"{call} = {shown}"
        derivatives = tuple(_derivatives(y, [x for x in arguments if isinstance(x, Expr)]))
    sources = [n.__name__ for n, ours in NUMPY.items() if FUNCTIONS[ours] is f]
    bound = MEASURED.get(str(SCALAR.get(names[0])))
    doc = inspect.getdoc(f) or ""
    return Entry(tuple(names), _signature(f), doc.split("\n\n")[0],
                 ", ".join(dict.fromkeys(sources)), formula, derivatives,
                 "" if bound is None else f"{bound[0]} (f32: {bound[1]}) ulp")  # fmt: skip


def _signature(f: Callable[..., Any]) -> str:
    """The arguments of `f` without their types."""
    found = inspect.signature(f)
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values() if not p.name.startswith("_")]
    return str(inspect.Signature(plain))


def _example(f: Callable[..., Any]) -> tuple[Expr, list[Any]] | None:
    """A value of `f` for symbols, and the arguments: the first ones that it takes."""
    required = [
        p for p in inspect.signature(f).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    several = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(f).parameters.values())
    count = len(required) if required or not several else 2
    if not 1 <= count <= 3 or (several and required):
        return None
    elementwise = _theme(f) in ELEMENTWISE
    for arguments in product(*(_candidates(k, elementwise) for k in range(count))):
        if not any(isinstance(a, Expr) for a in arguments):
            continue
        try:
            found = f(*arguments)
        except (SymgradError, TypeError, ValueError, AttributeError, IndexError, KeyError):
            continue
        first = found[0] if isinstance(found, tuple | list) and found else found
        if isinstance(first, Expr):
            return first, list(arguments)
    return None


def _candidates(k: int, elementwise: bool) -> list[Any]:
    letter = "xyz"[k]
    one, several, square = scalar(letter), vector(letter, "n"), matrix("ABC"[k], "n,n")
    first = [one, several, square] if elementwise else [several, square, one]
    return [*first, 2, tensor("ijk"[k], "i64[n]")]


def _derivatives(y: Expr, arguments: list[Expr]) -> Iterator[str]:
    """The derivatives of `y`: of a number the gradient, of an array the cotangent that the cotangent u gives."""
    if not is_float(y.dtype):
        return
    for x in arguments:
        if not is_float(x.dtype):
            continue
        name = str(x)
        try:
            g = y.grad(x) if not y.ndim else y.vjp(x, "u")
        except SymgradError as error:
            yield f"derivative by {name}: {str(error).splitlines()[0]}"
            continue
        shown = str(g)
        yield f"derivative by {name}: " + (
            f"`{shown}`" if len(shown) <= LONGEST else f"a formula of {len(shown)} characters"
        )


def reference(theme: str) -> str:
    """The reference of one theme (a key of THEMES) as Markdown."""
    lines = [f"## {THEMES[theme]}", ""]
    for e in entries(theme):
        also = f" (also {', '.join(e.names[1:])})" if e.names[1:] else ""
        lines += [f"**`{e.names[0]}{e.signature}`**{also}  ", f"{' '.join(e.doc.split())}", ""]
        facts = [f"`{e.formula}`" if e.formula else "", *e.derivatives,
                 f"NumPy: {e.numpy}" if e.numpy else "", f"error <= {e.accuracy}" if e.accuracy else ""]  # fmt: skip
        lines += [f"- {fact}" for fact in facts if fact]
        lines.append("")
    return "\n".join(lines)


__all__ = ["THEMES", "Entry", "entries", "reference"]
