"""Functions of symmetric matrices: what is made of eigenvectors and functions of the eigenvalues is one, and the
derivative of one along the identity is that of its formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import reduce
from itertools import combinations
from operator import add, mul

from ..expression import Expr
from ..graph import Node
from ..ops.contraction import einsum_labels
from ..ops.linear_algebra import columns
from ..ops.matrix_functions import along_identity, of_eigenvalues
from ..ops.spectral import is_eigenvalues, matrix_of_vectors
from .engine import RuleSet
from .factors import lines, whole
from .settling import canonical, fitting
from .terms import constant_node, split

Rebuild = Callable[[Node], Node]
Labels = tuple[int, ...]


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("matrix function along an identity", "matrix_function")(identity_direction)
    near = ("reshape", "slice", "eigvalsh")  # how eigenvectors and eigenvalues look from a product
    rules.procedure("function between eigenvectors", "einsum", near=near)(between_eigenvectors)
    rules.procedure("part of parts", "slice", near=("unslice",))(part_of_parts)


def identity_direction(x: Node, rebuild: Rebuild) -> Node | None:
    """``T(A; c*I)`` as ``c*f'(A)``."""
    if x.params[1] != 1:
        return None
    found = multiple_of_identity(x.inputs[-1])
    return None if found is None else fitting(x, found * along_identity(Expr(x)))


def multiple_of_identity(x: Node) -> Expr | None:
    """The numbers c (with two unit axes behind, if there are several) where `x` is ``c*I``; None where it is not."""
    number, powers = lines(x)
    rest = {y: k for y, k in powers.items() if y.type.shape}
    if len(rest) != 1 or list(rest.values()) != [1]:
        return None
    (base,) = rest
    c = whole(number, {y: k for y, k in powers.items() if y is not base}, x.type.dtype)
    if base.op.name == "delta":
        return c
    return None if base.op.name != "einsum" else _batched(c, base)


def _batched(c: Expr, base: Node) -> Expr | None:
    """``c*k`` for the array product ``k[b]*I[i, j]``."""
    labels, out, extra = base.params
    for k, (i, own) in enumerate(zip(base.inputs, labels, strict=True)):
        others = [ls for j, ls in enumerate(labels) if j != k]
        if i.op.name == "delta" and set(own) == set(out[-2:]) and not any(set(own) & set(ls) for ls in others):
            rest = [Expr(j) for n, j in enumerate(base.inputs) if n != k]
            return c * columns(einsum_labels(rest, others, out[:-2], dict(extra))) if rest else None
    return None


def between_eigenvectors(x: Node, rebuild: Rebuild) -> Node | None:
    """``V diag(f(w)) V.T`` in a product of arrays as a function of the matrix, whose derivatives are right at every
    order where eigenvalues coincide (those of V alone are not)."""
    return next((y for flat in _flattened(x) if (y := _joined(x, *flat)) is not None), None)


def _flattened(x: Node) -> Iterator[tuple[list[Node], list[Labels], Fraction]]:
    """The factors of the array product and their labels, as they stand and with the factors of one operand that is an
    array product, or a quotient with one above the line, in its place."""
    labels, out, _ = x.params
    yield list(x.inputs), list(labels), Fraction(1)
    free = 1 + max((k for ls in labels for k in ls), default=0)
    for p, (y, own) in enumerate(zip(x.inputs, labels, strict=True)):
        number, powers = lines(y)
        for d, power in powers.items():
            if power != 1 or d.op.name != "einsum" or d.type != y.type or d.params[2] or not own or own[-1] in out:
                continue
            names = dict(zip(d.params[1], own, strict=True))
            inner = [tuple(names.setdefault(k, free + k) for k in ls) for ls in d.params[0]]
            rest = {z: k for z, k in powers.items() if z is not d}
            beside = [canonical(whole(Fraction(1), rest, x.type.dtype))] if rest else []
            spread = [own[len(own) - len(z.type.shape) :] for z in beside]
            others = [n for n in range(len(labels)) if n != p]
            factors = [*(x.inputs[n] for n in others), *beside, *d.inputs]
            yield factors, [*(labels[n] for n in others), *spread, *inner], number


def _joined(x: Node, factors: Sequence[Node], labels: Sequence[Labels], number: Fraction) -> Node | None:
    """The product with a function of a matrix for two factors that are its eigenvectors, and all between them."""
    _, out, extra = x.params
    found = [(n, a) for n, y in enumerate(factors) if (a := matrix_of_vectors(y)) is not None]
    for (p, a), (q, b) in combinations(found, 2):
        left, right = labels[p], labels[q]
        i = left[-1]
        if a is not b or right[-1] != i or left[:-2] != right[:-2] or left[-2] == right[-2] or i in out:
            continue
        between = [n for n, ls in enumerate(labels) if i in ls and n not in (p, q)]
        lead = (*left[:-2], i)
        if not between or any(lead[len(lead) - len(labels[n]) :] != labels[n] for n in between):
            continue
        values = reduce(mul, (Expr(factors[n]) for n in between))
        made = of_eigenvalues(values, Expr(a), is_eigenvalues)
        if made is None:
            continue
        kept = [n for n in range(len(factors)) if n not in (p, q, *between)]
        result = einsum_labels([*(Expr(factors[n]) for n in kept), made],
                               [*(labels[n] for n in kept), (*left[:-1], right[-2])], out, dict(extra))  # fmt: skip
        return fitting(x, result if number == 1 else Expr(constant_node(number, x.type.dtype)) * result)
    return None


def part_of_parts(x: Node, rebuild: Rebuild) -> Node | None:
    """The part of a sum of arrays that each fill one part with zeros around it: eigenvalues and eigenvectors are parts
    of one result, and so are their derivatives."""
    y, (cut,) = x.inputs[0], x.params[0][-1:]
    kept = []
    for term in y.inputs if y.op.name == "add" else (y,):
        c, base = split(term)
        if len(x.params[0]) != 1 or base is None or base.op.name != "unslice" or len(base.params[0]) != 1:
            return None
        (other,) = base.params[0]
        if other == cut:
            kept.append(Expr(constant_node(c, x.type.dtype)) * Expr(base.inputs[0]))
        elif not (cut[2] == other[2] == 1 and (cut[0] + cut[1] == other[0] or other[0] + other[1] == cut[0])):
            return None
    return fitting(x, reduce(add, kept)) if kept else None
