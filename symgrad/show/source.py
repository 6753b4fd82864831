"""A formula as the source of a Python function that needs NumPy and, for some functions, SciPy; nothing of symgrad.

Shared parts are computed once.  Operations that NumPy does not have are replaced by their formulas of simpler ones.
"""

from __future__ import annotations

import re
import string
import textwrap
from collections.abc import Sequence

from ..build import check_name
from ..compiler.types import DTYPES, Size, names
from ..errors import SymgradError
from ..expression import Expr, symbol_name, symbols_of
from ..graph import Node, node, postorder
from .notation import Notation, spelling
from .numpy_calls import DEFINITIONS, spelled, template
from .terms import Term
from .text import ATOM, NOTHING, number_text, strength, taken_names, text
from .text import pieces as text_pieces
from .writer import Piece, Renderer, in_postorder, write

_WRITTEN = """symbol constant size cast add sub mul neg div pow floordiv mod logical_not logical_xor einsum delta iota
slice unslice take scatter reshape concatenate less less_equal greater greater_equal equal not_equal logical_and
logical_or"""
WRITTEN = frozenset(_WRITTEN.split())
"""Operations that the notation writes without the name of a function."""
DEEPEST = 30
"""Deeper parts get a name of their own, because Python reads only so many parentheses inside one another."""
LONGEST_DOCSTRING = 2000


def python(value: Expr | Node | Sequence[Expr | Node], name: str = "f") -> str:
    """The source of a function called `name` that computes `value` (a tuple for a sequence) from arrays, in the order
    in which the symbols were declared.  Raises SymgradError for operations that NumPy and SciPy do not have.

    >>> import symgrad as sg
    >>> x = sg.scalar("x")
    >>> namespace = {}
    >>> exec(python(x**2, "square"), namespace)
    >>> float(namespace["square"](3))
    9.0
    """
    values = [value] if isinstance(value, Expr | Node) else list(value)
    given = [v.node if isinstance(v, Expr) else v for v in values]
    roots = written_in_numpy(given)
    declared = [d for v in values if isinstance(v, Expr) for d in v.declared]
    symbols = list(dict.fromkeys([*declared, *symbols_of(given)]))
    notation = Notation(roots, longest=2**62)
    terms = [notation.of[x] for x in roots]
    taken = taken_names(notation.order, values) | {"np", "special", "linalg", *DEFINITIONS}
    written = write(terms, RENDERER, taken, named=worth_computing_once(terms))
    texts = [*written.roots, *(t for _, t in written.shared)]
    body = [*_imports(texts), *_arguments(symbols, texts)]
    body += [f"{n} = {t}" for n, t in written.shared]
    body.append("return " + ", ".join(written.roots))
    head = f"def {check_name(name, 'function')}({', '.join(map(symbol_name, symbols))}):"
    lines = [*_docstring(values, symbols), *body]
    return head + "\n" + textwrap.indent("\n".join(lines), "    ") + "\n"


# ---- which operations can be written

def written_in_numpy(roots: Sequence[Node]) -> list[Node]:
    """`roots` with operations that NumPy does not have replaced by their formulas, as long as they have one."""
    found = list(roots)
    while True:
        missing = [x for x in postorder(found) if not _has_spelling(x)]
        stuck = next((x for x in missing if x.op.expand is None), None)
        if stuck is not None:
            what = stuck.op.doc.rstrip(".")
            raise SymgradError(f"python: {stuck.op.name} is not an operation of NumPy or SciPy ({what})")
        if not missing:
            return found
        found = _expanded(found, set(missing))


def _has_spelling(x: Node) -> bool:
    return x.op.name in WRITTEN or spelled(spelling(x)[0])


def _expanded(roots: Sequence[Node], missing: set[Node]) -> list[Node]:
    new: dict[Node, Node] = {}
    for x in postorder(roots):
        inputs = tuple(new[i] for i in x.inputs)
        y = node(x.op, inputs, x.params)
        if x in missing:
            assert x.op.expand is not None
            y = x.op.expand(Expr(y), *map(Expr, inputs)).node
        new[x] = y
    return [new[root] for root in roots]


def worth_computing_once(roots: Sequence[Term]) -> list[Term]:
    """The terms that are computed into a variable: used twice, or nested deeper than Python reads."""
    order = in_postorder(roots)
    uses: dict[Term, int] = {}
    for t in (*roots, *(p for whole in order for p in whole.parts)):
        uses[t] = uses.get(t, 0) + 1
    depth: dict[Term, int] = {}
    found = []
    for t in order:
        depth[t] = 1 + max((depth[p] for p in t.parts), default=0)
        plain = t.form in ("literal", "list", "transpose") or (t.form == "index" and t.parts[0].form == "name")
        if t.parts and not plain and (uses[t] > 1 or depth[t] > DEEPEST):
            found.append(t)
            depth[t] = 0
    return found


# ---- the parts of the function

def _docstring(values: Sequence[Expr | Node], symbols: Sequence[Node]) -> list[str]:
    formula = text(values)
    shown = formula if len(formula) <= LONGEST_DOCSTRING else formula[:LONGEST_DOCSTRING] + " …"
    types = ", ".join(f"{symbol_name(x)}: {x.type}" for x in symbols)
    return [*f'r"""{shown}'.splitlines(), "", types, '"""'] if types else [f'r"""{shown}"""']


def _imports(texts: Sequence[str]) -> list[str]:
    lines = ["import numpy as np"]
    found = [module for module in ("linalg", "special") if any(re.search(rf"\b(?<!np\.){module}\.", t) for t in texts)]
    lines += [f"from scipy import {module}" for module in found]
    lines += [textwrap.dedent(d) for n, d in DEFINITIONS.items() if any(f"{n}(" in t for t in texts)]
    return lines


def _arguments(symbols: Sequence[Node], texts: Sequence[str]) -> list[str]:
    """The arguments as arrays, and the numbers of the size names that the texts use."""
    lines = [f"{symbol_name(x)} = np.asarray({symbol_name(x)}, np.{DTYPES[x.type.dtype].name})" for x in symbols]
    used = {word for t in texts for word in re.findall(r"[^\W\d]\w*", t)}
    sizes = sorted({name for x in symbols for n in x.type.shape for name in names(n)} & used)
    return lines + [f"{name} = {_size_from(name, symbols)}" for name in sizes]


def _size_from(name: str, symbols: Sequence[Node]) -> str:
    """Where the number of a size name comes from: an axis of that size, or of a multiple of it plus a number."""
    for x in symbols:
        for k, n in enumerate(x.type.shape):
            if isinstance(n, Size) and str(n) == name:
                return f"{symbol_name(x)}.shape[{k}]"
    for x in symbols:
        for k, n in enumerate(x.type.shape):
            if isinstance(n, Size):
                terms = dict(n.terms)
                factor, rest = terms.pop(((name, 1),), 0), terms.pop((), 0)
                if factor and not terms:
                    return f"({symbol_name(x)}.shape[{k}] - {rest})//{factor}"
    raise SymgradError(f"python: no argument has an axis of size {name}")


# ---- NumPy's notation

def pieces(t: Term) -> list[Piece]:
    """The NumPy text of a term around its parts."""
    match t.form:
        case "number":
            shown = number_text(t.data[0], t.data[1], False)
            return [f"np.{shown}" if shown in ("pi", "inf", "nan") else shown.replace("pi", "np.pi")]
        case "literal":
            dtype = DTYPES.get(t.data[0].strip('"'))
            return [f"np.{dtype.name}" if dtype is not None else t.data[0]]
        case "not":
            return ["np.logical_not(", (t.parts[0], NOTHING), ")"]
        case "call":
            return _call(t)
        case _:
            return text_pieces(t)


def _call(t: Term) -> list[Piece]:
    name, keywords = t.data
    found: list[Piece] = []
    shape = template(name, dict(keywords))
    for before, field, _, _ in string.Formatter().parse(shape):
        if before:
            found.append(before)
        if field == "all":
            for k, p in enumerate(t.parts):
                found += [", ", (p, NOTHING)] if k else [(p, NOTHING)]
        elif field is not None:
            inside = f"({{{field}}})" in shape or f"({{{field}}}," in shape or f" {{{field}}}" in shape
            found.append((t.parts[int(field)], NOTHING if inside else ATOM))
    return found


def _strength(t: Term) -> int:
    return ATOM if t.form == "not" else strength(t)


RENDERER = Renderer(pieces, _strength)
