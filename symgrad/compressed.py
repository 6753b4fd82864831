"""Compressed Hessians: the structure that a closed form shows, asked for as such.

A Hessian with respect to one variable has the axes of the variable twice.  It is *diagonal* where every axis runs
together with its twin in all terms, *block-diagonal* where some do, and a *Kronecker product* where it is a product of
factors each of which has some axes and their twins (a term that is a number times the identity may be added).  The
first layer of a network on one sample is such a product, a factorisation has a block for each row, a linear model with
several outputs is the same matrix for each of them.  (Laue, Mitterreiter, Giesen, *A Simple and Efficient Tensor
Calculus*, AAAI 2020, section on compressing higher derivatives; Martens and Grosse 2015 for what Kronecker factors
are good for.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import Parameter, parameters_of
from .calculus import Variables, all_symbols, variables
from .compiler.types import Dim
from .derivatives import hessians
from .differentiation import zeros
from .errors import ArgumentError
from .expression import Expr, lift, symbol_name
from .formula import Formula
from .function import Function
from .graph import Node, lookup, node
from .machine import Options
from .ops.contraction import delta, einsum_node, label_sizes
from .outer_products import outer_product
from .rewrite.canonical import canonicalise
from .rewrite.terms import constant_node
from .sparsity import Piece, distinct, is_zero, pieces
from .structured import BlockDiagonal, Dense, Diagonal, Kronecker, Structured
from .trees import matching

Axes = tuple[int, ...]
Factor = tuple[Node, Axes]


class CompressedHessian:
    """The Hessian of a scalar with respect to one variable in the form that its structure allows.

    `kind` is "diagonal", "block diagonal", "Kronecker" or "dense"; `parts` are the expressions that are computed: the
    diagonal in the shape of the variable; the blocks, with the axes `axes` that they are told apart by and then the
    others twice; the factors of a Kronecker product, its scale, and the multiple of the identity that is added, `axes`
    telling for each factor along which axes it acts; or all of it.  Called with values, or compiled, it gives a
    `Structured` matrix with ``@``, `solve`, `dense`.  Made by ``L.hessian("U", compressed=True)``."""

    def __init__(self, variable: Node, symbols: Sequence[Node], kind: str, parts: Sequence[Node], axes: Any) -> None:
        self.variable, self.symbols, self.kind = variable, tuple(symbols), kind
        self.nodes, self.axes = tuple(parts), axes

    @property
    def parts(self) -> list[Expr]:
        """What is computed, as expressions."""
        return [Expr(x, self.symbols) for x in self.nodes]

    def __repr__(self) -> str:
        name = symbol_name(self.variable)
        titles = {
            "block diagonal": f"a block for each index of axes {self.axes}",
            "Kronecker": f"along axes {self.axes}, scale, multiple of the identity",
        }
        title = titles.get(self.kind, "")
        lines = [f"  {p!r}" for p in self.parts]
        return "\n".join([f"{self.kind} Hessian with respect to {name}{title and ': ' + title}", *lines])

    def __call__(self, *args: Any, **values: Any) -> Structured:
        """The matrix for values of the symbols, by name or in the order of declaration."""
        return CompressedFunction(self, Options())(*args, **values)


class CompressedFunction:
    """A compiled compressed Hessian: called like the functions that `compile` makes, gives a `Structured` matrix."""

    def __init__(
        self, matrix: CompressedHessian, options: Options, parameters: Sequence[Parameter] | None = None,
        owner: tuple[Function, str] | None = None,
    ) -> None:  # fmt: skip
        self.matrix, self._owner = matrix, owner
        order = dict.fromkeys((matrix.variable, *matrix.symbols))
        given = tuple(parameters_of(list(order)) if parameters is None else parameters)
        self.function = Function(Formula(matrix.nodes, given), options)
        self._place = next(k for k, p in enumerate(given) if matrix.variable in p.symbols)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._owner is not None:
            return getattr, self._owner
        function = self.function
        return CompressedFunction, (self.matrix, function.options, function.signature.parameters)

    def __call__(self, *args: Any, **keywords: Any) -> Structured:
        if self._owner is not None:
            args = self._owner[0].apart(args, keywords)
        found = self.function(*args, **keywords)
        like = self._shape(args, keywords)
        axes = self.matrix.axes
        match self.matrix.kind:
            case "diagonal":
                return Diagonal(like, found[0])
            case "block diagonal":
                return BlockDiagonal(like, found[0], axes)
            case "Kronecker":
                *factors, scale, shift = found
                return Kronecker(like, tuple(zip(axes, factors, strict=True)), float(scale), float(shift))
            case _:
                return Dense(like, found[0])


    def _shape(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[int, ...]:
        """The shape of the variable in a call."""
        parameter = self.function.signature.parameters[self._place]
        given = args[self._place] if self._place < len(args) else keywords[parameter.name]
        parts = [a for _, a in matching(parameter.tree, given, parameter.name)]
        return np.shape(parts[parameter.symbols.index(self.matrix.variable)])


def compressed_hessian(x: Expr, wrt: Variables) -> CompressedHessian:
    """The Hessian of `x` in compressed form.  Raises ArgumentError for several variables."""
    nodes, _ = variables(x, wrt, "hessian")
    if len(nodes) != 1:
        raise ArgumentError("hessian: compressed=True is for one variable; take the blocks of several one by one")
    return compressed(x.node, nodes[0], all_symbols(x))


def compressed_of(function: Function, kind: str) -> CompressedFunction:
    """The Hessian of a compiled function in compressed form.  Raises ArgumentError for several variables."""
    f = function.formula
    nodes = [x for p in f.variables(kind) for x in p.symbols]
    if len(nodes) != 1:
        raise ArgumentError(f"{kind}: is for one variable; the function has {len(nodes)}")
    matrix = compressed(f.output(kind), nodes[0], f.symbols)
    return CompressedFunction(matrix, function.options, f.parameters, (function, kind))


def compressed(root: Node, variable: Node, symbols: Sequence[Node]) -> CompressedHessian:
    """The Hessian of the scalar `root` with respect to `variable` in compressed form."""
    (whole,) = hessians(root, [variable])
    rank = len(variable.type.shape)
    if is_zero(whole):
        nothing = zeros(variable.type.shape, whole.type.dtype).node
        return CompressedHessian(variable, symbols, "diagonal", [nothing], tuple(range(rank)))
    parts = pieces(whole)
    apart = tuple(
        k for k in range(rank) if parts and all(p.labels[k] == p.labels[k + rank] for p in parts)
    )
    if len(apart) == rank:
        return CompressedHessian(variable, symbols, "diagonal", [_summed(parts, apart, variable)], apart)
    product = kronecker(whole, rank)
    if product is not None:
        nodes = canonicalise([*(f for f, _ in product.factors), product.scale, product.shift])
        return CompressedHessian(variable, symbols, "Kronecker", nodes, tuple(axes for _, axes in product.factors))
    if apart:
        return CompressedHessian(variable, symbols, "block diagonal", [_summed(parts, apart, variable)], apart)
    return CompressedHessian(variable, symbols, "dense", [whole], ())


# ---- diagonals and blocks

def _summed(parts: Sequence[Piece], apart: Axes, variable: Node) -> Node:
    """The sum of pieces all of which are diagonal in the axes `apart`: those axes once, then the others twice."""
    sizes = variable.type.shape
    rank = len(sizes)
    rest = [k for k in range(rank) if k not in apart]
    kept = [*apart, *rest, *(k + rank for k in rest)]
    terms = []
    for p in parts:
        labels = [p.labels[k] for k in kept]
        fresh, deltas, target = max(p.labels) + 1, [], []
        for label, k in zip(labels, kept, strict=True):
            if label in target:
                deltas.append((delta(sizes[k % rank], variable.type.dtype).node, (label, fresh)))
                label, fresh = fresh, fresh + 1
            target.append(label)
        operands = [(p.values, distinct(p.labels)), *deltas]
        terms.append(einsum_node([a for a, _ in operands], [ls for _, ls in operands], target, {}))
    total = terms[0] if len(terms) == 1 else node(lookup("add"), tuple(terms))
    return canonicalise([total])[0]


# ---- Kronecker products

@dataclass(frozen=True)
class Product:
    """Factors with the axes of the variable along which they act, a number that multiplies them, and one that
    multiplies the identity."""

    factors: tuple[Factor, ...]
    scale: Node
    shift: Node


def kronecker(whole: Node, rank: int) -> Product | None:
    """A canonical Hessian as a Kronecker product, if it is seen to be one that is not the identity."""
    if rank < 2:
        return None
    zero = constant_node(0, whole.type.dtype)
    terms = [_paired(t, rank) for t in (whole.inputs if whole.op.name == "add" else (whole,))]
    if any(t is None for t in terms):
        return None
    found = [t for t in terms if t is not None]
    products = [t for t in found if t.factors]
    identities = [t.scale for t in found if not t.factors]
    if len(products) != 1:
        return None
    shift = zero if not identities else sum(map(Expr, identities), start=lift(0.0).astype(zero.type.dtype)).node
    (only,) = products
    if len(only.factors) == 1 and len(only.factors[0][1]) == rank:
        return None
    return Product(only.factors, only.scale, shift)


def _paired(term: Node, rank: int) -> Product | None:
    """A term as a product of factors each of which has axes together with their twins."""
    scalars, factors = _factors(term)
    groups: list[list[Factor]] = []
    for f in factors:
        axes = {k % rank for k in f[1]}
        joined = [f]
        for g in [g for g in groups if axes & {k % rank for _, ls in g for k in ls}]:
            groups.remove(g)
            joined = g + joined
            axes |= {k % rank for _, ls in g for k in ls}
        groups.append(joined)
    found = []
    for g in groups:
        paired = sorted({k % rank for _, ls in g for k in ls})
        held = sorted(k for _, ls in g for k in ls)
        if held != [*paired, *(k + rank for k in paired)]:
            return None
        if all(x.op.name == "delta" and ls[1] == ls[0] + rank for x, ls in g):
            continue
        nodes, places = [x for x, _ in g], [ls for _, ls in g]
        found.append((einsum_node(nodes, places, held, {}), tuple(paired)))
    scale = Expr(constant_node(1, term.type.dtype))
    for s in scalars:
        scale = scale * Expr(s)
    return Product(tuple(found), scale.node, scale.node)


def _factors(term: Node) -> tuple[list[Node], list[Factor]]:
    """Scalars, and arrays that together have all axes of `term`, each once, whose product it is."""
    scalars: list[Node] = []
    done: list[Factor] = []
    pending: list[Factor] = [(term, tuple(range(len(term.type.shape))))]
    while pending:
        x, axes = pending.pop()
        inner = [i for i in x.inputs if i.type.shape == x.type.shape]
        if not axes:
            scalars.append(x)
        elif x.op.name == "mul" and len(inner) == 1 and all(not i.type.shape for i in x.inputs if i is not inner[0]):
            scalars += [i for i in x.inputs if i is not inner[0]]
            pending.append((inner[0], axes))
        elif x.op.name == "div" and not x.inputs[1].type.shape and inner:
            scalars.append((1 / Expr(x.inputs[1])).node)
            pending.append((inner[0], axes))
        elif x.op.name == "einsum" and len(split := _connected(x)) > 1:
            pending += [(part, tuple(axes[k] for k in own)) for part, own in reversed(split)]
        elif x.op.name != "delta" and (outer := outer_product(x)) is not None:
            own = tuple(axes[a] for a in outer.axes)
            pending += [(outer.factor, own), (outer.core, tuple(k for k in axes if k not in own))]
        else:
            done.append((x, axes))
    return scalars, sorted(done, key=lambda f: f[1])


def _connected(x: Node) -> list[Factor]:
    """An einsum as the outer product of einsums that share no label, each with its axes in the whole."""
    labels, out, _ = x.params
    sizes: dict[int, Dim] = label_sizes(x)
    groups: list[tuple[set[int], list[int]]] = []
    for k, ls in enumerate(labels):
        own, members = set(ls), [k]
        apart = []
        for g in groups:
            if g[0] & own:
                own |= g[0]
                members = g[1] + members
            else:
                apart.append(g)
        groups = [*apart, (own, members)]
    if len(groups) < 2 or not set(out) <= {k for own, _ in groups for k in own}:
        return []
    found = []
    for within, members in groups:
        kept = [k for k in out if k in within]
        operands = [x.inputs[k] for k in members]
        places = [labels[k] for k in members]
        alone = len(operands) == 1 and tuple(kept) == places[0]
        part = operands[0] if alone else einsum_node(operands, places, kept, sizes)
        found.append((part, tuple(out.index(k) for k in kept)))
    return found


__all__ = ["CompressedFunction", "CompressedHessian", "compressed_hessian", "compressed_of"]

