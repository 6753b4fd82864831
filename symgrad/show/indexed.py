"""Sums in index notation: ``sum(log(1 + exp(-y*(X @ w))))`` as the sum over i of log(1 + exp(-y_i (X w)_i)).

The index goes inwards through everything that acts element by element and stops at names, which become x_i, and at
whatever else there is, which becomes (...)_i.  New terms: ``subscript`` and ``bigsum``, both with the letters as their
data.  Shared parts that have a name keep it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..graph import OPS
from .terms import Term, Terms
from .writer import in_postorder

LETTERS = "ijklmpqr"
ELEMENTWISE = ("sum", "negative", "product", "quotient", "power", "binary", "not")


def with_sums(roots: Sequence[Term], named: Sequence[Term], terms: Terms) -> dict[Term, Term]:
    """What every term below `roots` becomes when sums over all elements are written with a summation sign."""
    return _Indexing(terms, set(named)).run(roots)


class _Indexing:
    def __init__(self, terms: Terms, named: Collection[Term]) -> None:
        self.terms, self.named = terms, named
        self.new: dict[Term, Term] = {}
        self.depth: dict[Term, int] = {}
        self.known: dict[tuple[Term, str], Term] = {}
        self.names: set[str] = set()

    def run(self, roots: Sequence[Term]) -> dict[Term, Term]:
        order = in_postorder(roots)
        self.names = {t.data[0] for t in order if t.form == "name"}
        for t in order:
            parts = [self.new[p] for p in t.parts]
            depth = max((self.depth[p] for p in t.parts), default=0)
            whole = t.form == "call" and t.data == ("sum", ()) and t.parts[0].rank in (1, 2)
            if whole:
                depth += t.parts[0].rank
                letters = [c for c in LETTERS if c not in self.names]
                whole = depth <= len(letters)
            if whole:
                used = "".join(letters[depth - t.parts[0].rank : depth])
                self.new[t] = self.terms.make("bigsum", [self.element(parts[0], used)], (used,))
            else:
                same = all(a is b for a, b in zip(parts, t.parts, strict=True))
                self.new[t] = t if same else self.terms.make(t.form, parts, t.data, t.rank)
            self.depth[t] = depth
            if t in self.named and self.new[t] is not t:
                self.named = {*self.named, self.new[t]}
        return self.new

    def element(self, root: Term, letters: str) -> Term:
        """The element of `root` at the indices `letters`."""
        stack = [(root, letters, False)]
        while stack:
            t, at, ready = stack.pop()
            if (t, at) in self.known:
                continue
            inner = self._inside(t, at)
            if inner is None:
                self.known[t, at] = t if not at else self.terms.make("subscript", (t,), (at,))
            elif ready:
                parts = [self.known[p] for p in inner]
                data = () if t.form == "index" else t.data
                self.known[t, at] = parts[0] if t.form == "index" else self.terms.make(t.form, parts, data)
            else:
                stack += [(t, at, True), *((p, a, False) for p, a in inner)]
        return self.known[root, letters]

    def _inside(self, t: Term, at: str) -> list[tuple[Term, str]] | None:
        """The parts of an elementwise term with the letters of each; None where the index stays outside."""
        if not at or t in self.named:
            return None
        if t.form == "index" and len(t.parts) == 1 and set(t.data) <= {":", "None"} and len(t.data) == t.rank:
            return [(t.parts[0], "".join(c for c, item in zip(at, t.data, strict=True) if item == ":"))]
        inward = t.form in ELEMENTWISE or (t.form == "call" and _is_elementwise(t.data[0]))
        return [(p, at[len(at) - p.rank :] if p.rank else "") for p in t.parts] if inward else None


def _is_elementwise(name: str) -> bool:
    return name in ("where", "mask") or (name in OPS and OPS[name].partials is not None)


__all__ = ["with_sums"]
