"""Where in the user's own text each node of a compiled formula comes from.

Rewriting and differentiation make new nodes; what they stand for is found on demand.  The parser notes the span of
every node that it makes.  Each of these is brought to canonical form, and so is every node of the derivative, whose
origin back-propagation tells (see `origins`).  What a rule built inside belongs to the part that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from .compiler.types import is_float
from .errors import SymgradError, caret
from .expression import Expr, Source, shape_text, symbol_name, symbols_of
from .formula import DERIVED, Formula
from .graph import Node, postorder
from .origins import recording
from .parser import parse
from .rewrite.canonical import canonicalise
from .show.text import text
from .specialise import retyped


@dataclass(frozen=True)
class Place:
    """A part of a formula's text, and how often it was differentiated (0: the formula itself)."""

    source: str
    span: tuple[int, int]
    order: int = 0

    @property
    def text(self) -> str:
        """The part."""
        return self.source[slice(*self.span)]

    def __str__(self) -> str:
        return caret(self.source, self.span)

    @property
    def title(self) -> str:
        """The part, and that it is a derivative of it that is meant."""
        return ("", "derivative of ", "second derivative of ", "higher derivative of ")[min(self.order, 3)] + self.text


Spans = dict[Node, tuple[str, tuple[int, int]]]


def places(formula: Formula) -> dict[Node, Place]:
    """The place of every node of the canonical form of the outputs of `formula`."""
    base, kinds = _history(formula)
    spans = _spans(base)
    with recording() as origins:
        _differentiated(base, kinds, spans)
    known = {x: Place(*where) for x, where in spans.items()}
    raw = list(origins.table)
    canonical = dict(zip(reversed(canonicalise(raw)), reversed(raw), strict=True))
    order = postorder(canonicalise(formula.nodes))
    most = sum(2 if kind in ("hessian", "hvp") else 1 for kind in kinds) or 2
    found = {x: place for x in order if (place := _followed(x, known, canonical, origins.table, most))}
    for root, source in zip(canonicalise(formula.nodes), _repeated(base), strict=False):
        found.setdefault(root, Place(source.text, (0, len(source.text)), len(kinds)))
    for x in reversed(order):
        for i in x.inputs:
            if i not in found and x in found:
                found[i] = found[x]
    return found


def _history(formula: Formula) -> tuple[Formula, list[str]]:
    """The formula that the user compiled and the derivatives that led from it to `formula`."""
    kinds: list[str] = []
    while formula.origin is not None:
        kind, formula = formula.origin
        kinds.insert(0, kind)
    return formula, kinds


def sources(formula: Formula) -> list[Source]:
    """The texts of the outputs of `formula`; what came from no text is printed."""
    given = list(formula.sources)
    covered = {x for s in given for x in s.spans}
    return given + [_printed(x) for x in formula.nodes if x not in covered and not given]


def _repeated(base: Formula) -> Iterator[Source]:
    """The text of the first output for as many outputs as there are."""
    first = sources(base)[0]
    return (first for _ in count())


def _printed(root: Node) -> Source:
    shapes = {symbol_name(x): shape_text(x.type) for x in symbols_of([root])}
    shown = text(Expr(root, tuple(symbols_of([root]))))
    try:
        read = parse(shown, **shapes)
    except SymgradError:
        return Source(shown, {root: (0, len(shown))})
    assert read.source is not None
    (canonical,) = canonicalise([root])
    return Source(shown, {**read.source.spans, root: (0, len(shown)), canonical: (0, len(shown))})


def _spans(base: Formula) -> Spans:
    """The spans of the user's nodes and of their canonical forms; of several the shortest."""
    found: Spans = {}
    for source in sources(base):
        nodes = list(source.spans)
        forms = canonicalise(nodes)
        for x, form in zip(nodes, forms, strict=True):
            where = source.text, source.spans[x]
            for y in (x, form):
                if y not in found or _length(where) < _length(found[y]):
                    found[y] = where
    return found


def _length(where: tuple[str, tuple[int, int]]) -> int:
    return where[1][1] - where[1][0]


def _differentiated(base: Formula, kinds: Sequence[str], spans: Spans) -> None:
    """Takes the derivatives once more; of outputs that are derivatives themselves, those of their text's formula."""
    formula = base
    for kind in kinds:
        formula = DERIVED[kind](formula)
    if any(x not in spans for x in base.nodes):
        for source in base.sources:
            _differentiated_text(source)


def _differentiated_text(source: Source) -> None:
    root = next(reversed(source.spans), None)
    longest = max(source.spans, key=lambda x: source.spans[x][1] - source.spans[x][0], default=root)
    if longest is None or longest.type.shape or not is_float(longest.type.dtype):
        return
    from .derivatives import gradients, hessians

    wrt = [x for x in symbols_of([longest]) if is_float(x.type.dtype)]
    try:
        gradients(longest, wrt)
        hessians(longest, wrt)
    except SymgradError:
        return


def _followed(
    x: Node, known: Mapping[Node, Place], canonical: Mapping[Node, Node], origins: Mapping[Node, Node], most: int
) -> Place | None:
    """The place that a node of a derivative of at most the order `most` leads back to."""
    order = 0
    while x not in known:
        made = x if x in origins else canonical.get(x)
        if made is None or made not in origins:
            return None
        x, order = origins[made], order + 1
    place = known[x]
    return Place(place.source, place.span, min(order, most))


def with_dtype(source: Source, dtype: str | None) -> Source:
    """`source` for a formula computed in another floating-point type."""
    if dtype is None:
        return source
    nodes = list(source.spans)
    return Source(source.text, dict(zip(retyped(nodes, dtype), source.spans.values(), strict=True)))


__all__ = ["Place", "places", "sources", "with_dtype"]
