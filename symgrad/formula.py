"""A formula with its arguments, and the formulas of its derivatives.

What `Function` compiles is a `Formula`: nodes in some structure, the arguments in their order, and which of them
the derivatives are taken with respect to.  Each derivative is a formula again, with a rule for how its results join
into vectors and matrices when an optimiser hands all variables over as one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .arguments import Parameter
from .compiler.records import record
from .compiler.types import is_float
from .derivatives import (
    gauss_newton_products,
    gradients,
    hessian_products,
    hessians,
    jacobians,
    pullbacks,
    pushforwards,
    weighted_hessians,
)
from .errors import ArgumentError, ShapeError
from .expression import Source, symbol_name
from .flattening import Layout
from .graph import Node, lookup, node
from .trees import Tree, is_tree, leaves, mapped, nested, rebuilt

Join = Callable[[Layout, Sequence[Any]], Any]


@record(frozen=True, slots=True)
class Formula:
    """Outputs in a structure, arguments, and the names of the variables (None: nothing was said).

    `several` says that the variables were given as a tuple, so that derivatives are tuples.  The first `groups`
    groups of arguments, as many in each as there are variables, may be given as one vector each; `join` names a row
    of JOINS.  `sources` are the texts that the outputs came from; `origin` says which derivative of which formula this
    is."""

    outputs: Tree
    parameters: tuple[Parameter, ...]
    wrt: tuple[str, ...] | None = None
    several: bool = False
    groups: int = 1
    join: str = "plain"
    sources: tuple[Source, ...] = ()
    origin: tuple[str, Formula] | None = None

    @property
    def nodes(self) -> list[Node]:
        """The outputs in order."""
        return [x for _, x in leaves(self.outputs)]

    @property
    def symbols(self) -> list[Node]:
        """The symbols of all arguments in order."""
        return [x for p in self.parameters for x in p.symbols]

    def variables(self, what: str) -> list[Parameter]:
        """The arguments that derivatives are taken with respect to.  Raises ArgumentError if that was not said."""
        if self.wrt is not None:
            return [p for p in self.parameters if p.name in self.wrt]
        floating = [p for p in self.parameters if all(is_float(x.type.dtype) for x in p.symbols)]
        if len(floating) != 1:
            if not floating:
                raise ArgumentError(f"{what}: there is no floating-point argument")
            names = ", ".join(p.name for p in floating)
            raise ArgumentError(f"{what}: with respect to which of {names}? Say compile(..., wrt={floating[0].name!r})")
        return floating

    def tree(self, what: str) -> Tree:
        """The structure of the variables' symbols, which derivatives have too."""
        variables = self.variables(what)
        return tuple(p.tree for p in variables) if self.several else variables[0].tree

    def output(self, what: str) -> Node:
        """The only output.  Raises ArgumentError if there are several."""
        if is_tree(self.outputs):
            raise ArgumentError(f"{what}: the function has {len(self.nodes)} outputs; use jacobian, jvp or vjp")
        assert isinstance(self.outputs, Node)
        return self.outputs

    def with_vectors(self, variables: Sequence[Parameter], letter: str) -> tuple[tuple[Parameter, ...], list[Node]]:
        """The arguments with one vector like each variable behind the variables, and the vectors' symbols."""
        taken = {p.name for p in self.parameters} | {symbol_name(x) for x in self.symbols}
        added = []
        for p in variables:
            name = fresh(letter if len(variables) == 1 else f"{letter}_{p.name}", taken)
            added.append(Parameter(name, _like(p.tree, name, taken)))
        last = max(self.parameters.index(p) for p in variables) + 1
        return (*self.parameters[:last], *added, *self.parameters[last:]), [x for p in added for x in p.symbols]

    def with_weights(self, what: str) -> tuple[tuple[Parameter, ...], list[Node]]:
        """The arguments with one like the outputs behind the variables, and its symbols."""
        taken = {p.name for p in self.parameters} | {symbol_name(x) for x in self.symbols}
        name = fresh("u", taken)
        added = Parameter(name, _like(self.outputs, name, taken))
        last = max(self.parameters.index(p) for p in self.variables(what)) + 1
        return (*self.parameters[:last], added, *self.parameters[last:]), list(added.symbols)


def fresh(name: str, taken: set[str]) -> str:
    """`name`, or `name` with underscores behind it, such that it is not in `taken`; puts it there."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _like(tree: Tree, name: str, taken: set[str]) -> Tree:
    """Symbols of the types of those in `tree`, called `name` or, in a structure, `name` and a number."""
    if not is_tree(tree):
        return node(lookup("symbol"), (), (name, tree.type))
    count = iter(range(len(list(leaves(tree)))))
    return mapped(lambda x: node(lookup("symbol"), (), (fresh(f"{name}_{next(count)}", taken), x.type)), tree)


# ---- derivatives, one formula each

def gradient(f: Formula) -> Formula:
    """The gradient, in the structure of the variables."""
    y, tree = f.output("grad"), f.tree("grad")
    found = gradients(y, [x for _, x in leaves(tree)])
    return replace(f, outputs=rebuilt(tree, iter(found)), join="vector")


def value_and_gradient(f: Formula) -> Formula:
    """The value and the gradient, which share their work."""
    return replace(f, outputs=(f.output("value_and_grad"), gradient(f).outputs), join="both")


def hessian(f: Formula) -> Formula:
    """The Hessian: for variables in a structure, a structure of structures of blocks."""
    y, tree = f.output("hessian"), f.tree("hessian")
    blocks = hessians(y, [x for _, x in leaves(tree)])
    return replace(f, outputs=nested(tree, tree, blocks), join="matrix")


def hessian_diagonal(f: Formula) -> Formula:
    """The diagonal of the Hessian, in the structure of the variables."""
    from .sparsity import diagonal

    y, tree = f.output("hessian_diagonal"), f.tree("hessian_diagonal")
    found = [diagonal(y, x) for _, x in leaves(tree)]
    return replace(f, outputs=rebuilt(tree, iter(found)), join="vector")


def jacobian(f: Formula) -> Formula:
    """The Jacobians of all outputs with respect to all variables."""
    tree = f.tree("jacobian")
    blocks = jacobians(f.nodes, [x for _, x in leaves(tree)])
    return replace(f, outputs=nested(f.outputs, tree, blocks), join="plain" if is_tree(f.outputs) else "columns")


def hessian_product(f: Formula) -> Formula:
    """The product of the Hessian with a vector like the variables."""
    y, variables = f.output("hvp"), f.variables("hvp")
    parameters, vectors = f.with_vectors(variables, "v")
    found = hessian_products(y, dict(zip([x for p in variables for x in p.symbols], vectors, strict=True)))
    return replace(f, outputs=rebuilt(f.tree("hvp"), iter(found)), parameters=parameters, groups=2, join="vector")


def value_gradient_and_hessian(f: Formula) -> Formula:
    """The value, the gradient and the Hessian, which share their work."""
    return replace(f, outputs=(*value_and_gradient(f).outputs, hessian(f).outputs), join="all")


def gauss_newton_product(f: Formula) -> Formula:
    """The product of J'J, J being the Jacobian of the outputs, with a vector like the variables."""
    variables = f.variables("gauss_newton")
    parameters, vectors = f.with_vectors(variables, "v")
    symbols = [x for p in variables for x in p.symbols]
    found = gauss_newton_products(f.nodes, dict(zip(symbols, vectors, strict=True)))
    outputs = rebuilt(f.tree("gauss_newton"), iter(found))
    return replace(f, outputs=outputs, parameters=parameters, groups=2, join="vector")


def weighted_hessian(f: Formula) -> Formula:
    """The sum of the Hessians of all elements of the outputs, each times its weight in a structure like the outputs."""
    tree = f.tree("weighted_hessian")
    parameters, weights = f.with_weights("weighted_hessian")
    blocks = weighted_hessians(f.nodes, weights, [x for _, x in leaves(tree)])
    return replace(f, outputs=nested(tree, tree, blocks), parameters=parameters, join="matrix")


def pushforward(f: Formula) -> Formula:
    """The directional derivatives of the outputs along a vector like the variables."""
    variables = f.variables("jvp")
    parameters, vectors = f.with_vectors(variables, "v")
    found = pushforwards(f.nodes, dict(zip([x for p in variables for x in p.symbols], vectors, strict=True)))
    return replace(f, outputs=rebuilt(f.outputs, iter(found)), parameters=parameters, groups=2, join="plain")


def pullback(f: Formula) -> Formula:
    """The cotangents of the variables that a cotangent like the outputs gives."""
    tree = f.tree("vjp")
    parameters, cotangents = f.with_weights("vjp")
    found = pullbacks(f.nodes, cotangents, [x for _, x in leaves(tree)])
    return replace(f, outputs=rebuilt(tree, iter(found)), parameters=parameters, join="vector")


DERIVED: dict[str, Callable[[Formula], Formula]] = {
    "grad": gradient, "value_and_grad": value_and_gradient, "hessian": hessian, "jacobian": jacobian,
    "hessian_diagonal": hessian_diagonal,
    "hvp": hessian_product, "jvp": pushforward, "vjp": pullback, "gauss_newton": gauss_newton_product,
    "weighted_hessian": weighted_hessian, "value_grad_and_hessian": value_gradient_and_hessian,
}  # fmt: skip


def derived(f: Formula, kind: str) -> Formula:
    """The derivative `kind` of `f`, which remembers where it came from."""
    return replace(DERIVED[kind](f), origin=(kind, f))


# ---- results when the variables came as one vector

def _columns(layout: Layout, blocks: Sequence[Any]) -> Any:
    first = np.asarray(blocks[0])
    return layout.columns(blocks, first.shape[: first.ndim - len(layout.shapes[0])])


JOINS: dict[str, Join | None] = {
    "plain": None,
    "vector": lambda layout, parts: layout.join(parts),
    "both": lambda layout, parts: (parts[0], layout.join(parts[1:])),
    "all": lambda layout, parts: (
        parts[0],
        layout.join(parts[1 : 1 + len(layout.shapes)]),
        layout.matrix(parts[1 + len(layout.shapes) :]),
    ),
    "matrix": lambda layout, blocks: layout.matrix(blocks),
    "columns": _columns,
}

__all__ = ["DERIVED", "JOINS", "Formula", "ShapeError", "derived", "fresh"]
