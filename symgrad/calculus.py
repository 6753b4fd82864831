"""Derivatives of expressions as expressions: what the methods of `Expr` do.

Variables are named by symbol or by name; several, in tuples or dicts, give results in the same structure.  Results are
canonical and keep the declared symbols of the expression, so that `compile` and `parse` know their arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .build import symbol
from .compiler.types import ArrayType
from .derivatives import (
    gauss_newton_products,
    gradients,
    hessian_products,
    hessians,
    jacobians,
    pullbacks,
    pushforwards,
)
from .errors import ArgumentError, ShapeError, SymgradError
from .expression import Expr, cast, check_names, lift, symbol_name, symbols_of
from .graph import Node, orders_kept, postorder, substitute
from .rewrite.assumptions import Assumptions, assumptions
from .rewrite.canonical import canonicalise
from .show.cost import COSTS
from .simplifier import Simplified, simplify
from .sparsity import diagonal
from .trees import leaves, rebuilt

Variables = Any
"""A symbol, its name, or a tuple, list or dict of them."""


def all_symbols(x: Expr) -> tuple[Node, ...]:
    """The declared symbols, then those that occur without being declared, in the order of the graph."""
    return tuple(dict.fromkeys((*x.declared, *symbols_of([x.node]))))


def find(x: Expr, name: Any, what: str, symbols: tuple[Node, ...] | None = None) -> Node:
    """The symbol of `x`, which has `symbols`, that `name` names.  Raises ArgumentError with a suggestion."""
    known = check_names(all_symbols(x) if symbols is None else symbols)
    if isinstance(name, Expr):
        if name.node.op.name != "symbol":
            raise ArgumentError(
                f"{what}: a variable must be a symbol or its name, got an expression of type {name.type}"
            )
        same = known.get(symbol_name(name.node))
        return same if same is not None and same.type == name.type else name.node
    if not isinstance(name, str):
        raise ArgumentError(f"{what}: a variable must be a symbol or its name, got {type(name).__name__}")
    if name not in known:
        import difflib

        close = difflib.get_close_matches(name, known, 1)
        hint = (
            f"; did you mean {close[0]}?"
            if close
            else f"; it has {', '.join(known)}"
            if known
            else "; it has no symbols"
        )
        raise ArgumentError(f"{what}: the expression has no symbol {name!r}{hint}")
    return known[name]


def _default(x: Expr, what: str) -> Node:
    known = all_symbols(x)
    if len(known) != 1:
        names = ", ".join(map(symbol_name, known)) or "none"
        raise ArgumentError(f"{what}: name the variable; the expression has {names}")
    return known[0]


def variables(x: Expr, wrt: Variables, what: str) -> tuple[list[Node], Any]:
    """The nodes of `wrt` in order, and its structure (with one leaf for a single variable)."""
    if wrt is None:
        return [_default(x, what)], ""
    known = all_symbols(x)
    found = [find(x, name, what, known) for _, name in leaves(wrt)]
    if not found:
        raise ArgumentError(f"{what}: no variable is named")
    return found, wrt


def _wrap(x: Expr, nodes: list[Node], structure: Any, more: tuple[Node, ...] = ()) -> Any:
    declared = tuple(dict.fromkeys((*all_symbols(x), *more)))
    results: Iterator[Any] = iter([Expr(n, declared, source=x.source) for n in nodes])
    return rebuilt(structure, results)


def located(x: Expr, error: SymgradError) -> SymgradError:
    """`error`, pointing at the whole text that `x` came from."""
    span = x.source.spans.get(x.node) if x.source else None
    return error.at(x.source.text, span) if x.source and span else error


@orders_kept()
def grad(x: Expr, wrt: Variables = None) -> Any:
    """The gradient of a scalar with the shape of each variable.  Raises ShapeError, NotDifferentiable,
    ArgumentError."""
    nodes, structure = variables(x, wrt, "grad")
    if x.type.shape and _matrix_times_vector(x.node):
        raise located(x, ShapeError(f"grad: needs a scalar, got {x.type}; * multiplies element by element, the matrix "
                                    "product is @: x' @ A @ x is the quadratic form"))  # fmt: skip
    try:
        declared = all_symbols(x)
        found = [Expr(g, declared, source=x.source) for g in gradients(x.node, nodes)]
    except SymgradError as error:
        raise located(x, error) from None
    for g, variable in zip(found, nodes, strict=True):
        g.origin = x, Expr(variable, (variable,))
    return rebuilt(structure, iter(found))


def _matrix_times_vector(root: Node) -> bool:
    """Whether a matrix is multiplied by a vector element by element below `root`."""
    return any(
        x.op.name == "mul" and {1, 2} <= {len(i.type.shape) for i in x.inputs} for x in postorder([root])
    )  # fmt: skip


@orders_kept()
def jacobian(x: Expr, wrt: Variables = None) -> Any:
    """All derivatives: the axes of the value, then those of the variable."""
    nodes, structure = variables(x, wrt, "jacobian")
    try:
        declared = all_symbols(x)
        found = [Expr(j, declared, source=x.source) for j in jacobians([x.node], nodes)]
    except SymgradError as error:
        raise located(x, error) from None
    for g, variable in zip(found, nodes, strict=True):
        g.origin = x, Expr(variable, (variable,))
    return rebuilt(structure, iter(found))


@orders_kept()
def hessian(x: Expr, wrt: Variables = None, other: Variables = None) -> Any:
    """The second derivatives of a scalar: for one variable its Hessian, for two names their mixed block, for a tuple
    the tuple of tuples of blocks."""
    if other is not None:
        (first,), _ = variables(x, wrt, "hessian")
        (second,), _ = variables(x, other, "hessian")
        return _wrap(x, jacobians(gradients(x.node, [first]), [second]), "")
    nodes, structure = variables(x, wrt, "hessian")
    try:
        blocks = hessians(x.node, nodes)
    except SymgradError as error:
        raise located(x, error) from None
    n = len(nodes)
    declared = all_symbols(x)
    wrapped = [Expr(block, declared, source=x.source) for block in blocks]
    rows = [rebuilt(structure, iter(wrapped[k * n : (k + 1) * n])) for k in range(n)]
    return rebuilt(structure, iter(rows))


def hessian_diagonal(x: Expr, wrt: Variables = None) -> Any:
    """The diagonal of the Hessian of a scalar, in the shape of the variable (a structure of them for several)."""
    nodes, structure = variables(x, wrt, "hessian_diagonal")
    return _wrap(x, [diagonal(x.node, v) for v in nodes], structure)


def direction(x: Expr, v: Any, like: Node, what: str) -> Expr:
    """A direction for the variable `like`: an expression of its type, or the name of a new symbol."""
    if isinstance(v, str):
        known = check_names(all_symbols(x))
        return Expr(known[v], (known[v],)) if v in known else symbol(v, like.type)
    given = lift(v)
    if given.type.shape != like.type.shape:
        raise ShapeError(f"{what}: the direction is {given.type}, but {symbol_name(like)} is {like.type}")
    return cast(given, like.type.dtype)


def _directions(x: Expr, nodes: list[Node], v: Any, what: str) -> list[Expr]:
    given = [leaf for _, leaf in leaves(v)] if isinstance(v, tuple | list | dict) else [v]
    if len(given) != len(nodes):
        raise ArgumentError(f"{what}: {len(nodes)} variables need as many directions, got {len(given)}")
    return [direction(x, d, n, what) for d, n in zip(given, nodes, strict=True)]


def hvp(x: Expr, wrt: Variables, v: Any) -> Any:
    """The product of the Hessian of a scalar with a direction `v` (an expression or the name of a new symbol), without
    the Hessian: forward over reverse."""
    nodes, structure = variables(x, wrt, "hvp")
    along = _directions(x, nodes, v, "hvp")
    found = hessian_products(x.node, {n: d.node for n, d in zip(nodes, along, strict=True)})
    return _wrap(x, found, structure, tuple(s for d in along for s in d.declared))


def gauss_newton(x: Expr, wrt: Variables, v: Any) -> Any:
    """The product of J'J with a direction `v` of the variables, J being the Jacobian of `x`, without either."""
    nodes, structure = variables(x, wrt, "gauss_newton")
    along = _directions(x, nodes, v, "gauss_newton")
    found = gauss_newton_products([x.node], {n: d.node for n, d in zip(nodes, along, strict=True)})
    return _wrap(x, found, structure, tuple(s for d in along for s in d.declared))


def jvp(x: Expr, wrt: Variables, v: Any) -> Expr:
    """The derivative of `x` along the direction `v` of the variables."""
    nodes, _ = variables(x, wrt, "jvp")
    along = _directions(x, nodes, v, "jvp")
    found = pushforwards([x.node], {n: d.node for n, d in zip(nodes, along, strict=True)})
    result: Expr = _wrap(x, found, "", tuple(s for d in along for s in d.declared))
    return result


def vjp(x: Expr, wrt: Variables, u: Any) -> Any:
    """The product of a cotangent `u` of the type of `x` (an expression or the name of a new symbol) with the
    Jacobian."""
    nodes, structure = variables(x, wrt, "vjp")
    if isinstance(u, str):
        cotangent = symbol(u, ArrayType(x.dtype, x.type.shape))
    else:
        cotangent = cast(lift(u), x.dtype)
        if cotangent.type.shape != x.type.shape:
            raise ShapeError(f"vjp: the cotangent is {cotangent.type}, but the value is {x.type}")
    found = pullbacks([x.node], [cotangent.node], nodes)
    return _wrap(x, found, structure, cotangent.declared)


def replace(x: Expr, values: Mapping[Any, Any]) -> Expr:
    """`x` with symbols replaced by expressions, numbers or arrays of their shape."""
    new: dict[Node, Node] = {}
    added: list[Node] = []
    for name, value in values.items():
        old = find(x, name, "replace")
        given = lift(value)
        if given.type.shape != old.type.shape and given.type.shape:
            raise ShapeError(f"replace: {symbol_name(old)} is {old.type}, got {given.type}")
        given = cast(given, old.type.dtype)
        if given.type.shape != old.type.shape:
            from .ops.contraction import broadcast_to

            given = broadcast_to(given, old.type.shape)
        new[old] = given.node
        added += given.declared
    (result,) = substitute([x.node], new)
    kept = [s for s in all_symbols(x) if s not in new]
    return Expr(result, tuple(dict.fromkeys((*kept, *added))))


def simplified(x: Expr, method: str | None, cost: Any, assume: Mapping[Any, Any] | None) -> Expr:
    """The shortest form found of `x`, with its assumptions as text.  Raises ArgumentError for an unknown method, cost
    or property."""
    known = assumptions(assume or {}, {symbol_name(s): s for s in all_symbols(x)})
    if method == "sympy":
        import sympy

        from .sympy_bridge import from_sympy, to_sympy

        found = from_sympy(sympy.simplify(to_sympy(x)), **x.shapes)
        return Expr(found.node, all_symbols(x))
    if method is not None:
        raise ArgumentError(f"simplify: there is no method {method!r}; leave it out or use 'sympy'")
    result = _by_cost(x, cost, known)
    shorter = Expr(result.nodes[0], all_symbols(x), source=x.source)
    shorter.origin = x.origin
    shorter.assumptions = tuple(f"{Expr(node)!r} is {what}" for what, node in result.assumed)
    return shorter


def _by_cost(x: Expr, cost: Any, known: Assumptions) -> Simplified:
    if cost == "length":
        return simplify([x.node], known=known)
    if not callable(cost) and cost not in COSTS:
        raise ArgumentError(f"simplify: there is no cost {cost!r}; use {' or '.join(map(repr, COSTS))}, or a function")
    weigh = COSTS[cost]() if isinstance(cost, str) else lambda node: cost(Expr(node))
    return simplify([x.node], weigh, known, lambda nodes: sum(map(weigh, nodes)))


def canonical(x: Expr) -> Expr:
    """The canonical form of `x`."""
    return Expr(canonicalise([x.node])[0], all_symbols(x), source=x.source)
