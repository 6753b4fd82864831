"""The two conventions in which books write derivatives by vectors and matrices.

symgrad's derivatives have the axes of the value, then those of the variable: a gradient has the shape of the variable.
In *numerator layout* the derivative of a scalar by a vector is a row, and by a matrix has the shape of its transpose;
in *denominator layout* the Jacobian of a vector stands on its side, one column for each element of the value.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError
from ..expression import Expr
from ..graph import Node
from .notation import Notation
from .terms import Term

LAYOUTS = ("numerator", "denominator")


def turned(x: Expr, layout: str | None) -> bool:
    """Whether the derivative `x` is written transposed in that layout.  Raises ArgumentError for other layouts, and for
    what is not a derivative that `grad` or `jacobian` gave."""
    if layout is None:
        return False
    if layout not in LAYOUTS:
        raise ArgumentError(f"there is no layout {layout!r}; use {' or '.join(map(repr, LAYOUTS))}")
    if x.origin is None:
        raise ArgumentError("layout: this is not a derivative that grad or jacobian gave")
    value, variable = x.origin[0].ndim, x.origin[1].ndim
    if value + variable > 2:
        raise ArgumentError(f"layout: a derivative with {value} + {variable} axes has no matrix layout")
    return layout == ("numerator" if value == 0 else "denominator") and value + variable > 0


def root_terms(values: Sequence[Expr | Node], notation: Notation, layout: str | None) -> list[Term]:
    """The terms of the values, transposed where the layout wants it."""
    return [_laid_out(v, notation, layout) for v in values]


def _laid_out(value: Expr | Node, notation: Notation, layout: str | None) -> Term:
    if isinstance(value, Node):
        return notation.of[value]
    t, terms = notation.of[value.node], notation.terms
    if not turned(value, layout):
        return t
    # Of a vector the transpose is a row.
    return terms.transpose(t) if t.rank > 1 else terms.make("transpose", (t,), (), t.rank)


__all__ = ["root_terms", "turned"]
