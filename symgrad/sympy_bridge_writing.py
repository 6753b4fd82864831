"""An expression of ours in SymPy, node by node in topological order.

Scalars become SymPy expressions, vectors columns, matrices matrix expressions: products, transposes, Hadamard
products, `applyfunc`.  What matrix notation does not say becomes index notation, a `FunctionMatrix` of sums; arrays
with more than two axes exist only so, as functions from indices to elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .compiler.types import Dim
from .errors import ArgumentError
from .expression import properties, symbol_name
from .graph import Node, postorder
from .ops.contraction import label_sizes
from .sympy_bridge_forms import constant, dimension, scalar

DEEP = 200
"""Beyond this depth SymPy's own simplifications are left out: they recurse."""


@dataclass(frozen=True, slots=True)
class Array:
    """An array of `shape`: as a matrix expression if it has one, and always element by element."""

    shape: tuple[Dim, ...]
    at: Callable[..., Any]
    matrix: Any = None


def written(root: Node) -> Any:
    """The SymPy expression of `root`.  ArgumentError for what SymPy cannot say."""
    import sympy

    with sympy.evaluate(root.depth <= DEEP):
        known: dict[Node, Any] = {}
        for x in postorder([root]):
            known[x] = _node(x, [known[i] for i in x.inputs])
        result = known[root]
        return _as_matrix(result) if isinstance(result, Array) else result


def _node(x: Node, args: list[Any]) -> Any:
    row = _ROWS.get(x.op.name)
    if row is not None:
        return row(x, args)
    if not x.type.shape and not any(isinstance(a, Array) for a in args):
        return scalar(x, args)
    if all(len(i.type.shape) <= len(x.type.shape) for i in x.inputs) and x.inputs:
        return _elementwise(x, args)
    raise ArgumentError(f"sympy: {x.op.name} has no counterpart in SymPy")


def _matrix(expr: Any, shape: Sequence[Dim]) -> Array:
    """A matrix expression; a column stands for a vector."""
    at = (lambda i: expr[i, 0]) if len(shape) == 1 else (lambda i, j: expr[i, j])
    return Array(tuple(shape), at, expr)


def _as_matrix(x: Array) -> Any:
    """The array as a matrix expression, in index notation if there is no other."""
    import sympy

    if x.matrix is not None:
        return x.matrix
    if len(x.shape) > 2:
        raise ArgumentError(f"sympy: an array with {len(x.shape)} axes has no counterpart in SymPy")
    i, j = sympy.Dummy("i", integer=True), sympy.Dummy("j", integer=True)
    columns = x.shape[1] if len(x.shape) == 2 else 1
    body = x.at(i, j) if len(x.shape) == 2 else x.at(i)
    return sympy.FunctionMatrix(dimension(x.shape[0]), dimension(columns), sympy.Lambda((i, j), body))


# ---- leaves


def _symbol(x: Node, args: list[Any]) -> Any:
    import sympy

    name, shape = symbol_name(x), x.type.shape
    if not shape:
        integer = {"integer": True} if x.type.dtype == "i64" else {}
        return sympy.Symbol(name, **integer, **dict.fromkeys(properties(x), True))
    if x.type.dtype == "bool":
        raise ArgumentError(f"sympy: {name} is {x.type}, and an array of truth values has no counterpart in SymPy")
    if len(shape) <= 2:
        return _matrix(sympy.MatrixSymbol(name, *map(dimension, (*shape, 1)[:2])), shape)
    base = sympy.IndexedBase(name, shape=tuple(map(dimension, shape)))
    return Array(shape, lambda *at: base[at])


def _constant(x: Node, args: list[Any]) -> Any:
    value = constant(x)
    return _matrix(value, x.type.shape) if x.type.shape else value


def _size(x: Node, args: list[Any]) -> Any:
    n: Any = x.params[0]
    return dimension(n)


def _delta(x: Node, args: list[Any]) -> Any:
    import sympy

    return _matrix(sympy.Identity(dimension(x.type.shape[0])), x.type.shape)


def _iota(x: Node, args: list[Any]) -> Any:
    return Array(x.type.shape, lambda i: i)


# ---- elementwise operations


def _elementwise(x: Node, args: list[Any]) -> Any:
    matrix = _elementwise_matrix(x, args)
    if matrix is not None:
        return _matrix(matrix, x.type.shape)
    return Array(x.type.shape, lambda *at: scalar(x, [_at(a, at) for a in args]))


def _at(a: Any, index: Sequence[Any]) -> Any:
    """The element of an operand that is broadcast to a result with these indices."""
    if not isinstance(a, Array):
        return a
    return a.at(*(0 if n == 1 else i for n, i in zip(a.shape, index[len(index) - len(a.shape) :], strict=True)))


def _elementwise_matrix(x: Node, args: list[Any]) -> Any:
    """Matrix notation for an elementwise operation, or None."""
    import sympy

    arrays = [a for a in args if isinstance(a, Array)]
    if any(a.matrix is None or a.shape != x.type.shape for a in arrays):
        return None
    scalars = [a for a in args if not isinstance(a, Array)]
    if x.op.name in ("add", "sub") and not scalars:
        first, *rest = (a.matrix for a in arrays)
        return sympy.MatAdd(first, *([-m for m in rest] if x.op.name == "sub" else rest)).doit(deep=False)
    if x.op.name == "mul":
        product = arrays[0].matrix if len(arrays) == 1 else sympy.HadamardProduct(*(a.matrix for a in arrays))
        return sympy.Mul(*scalars) * product if scalars else product
    if x.op.name == "div" and not isinstance(args[1], Array):
        return arrays[0].matrix / args[1]
    if x.op.name == "neg":
        return -arrays[0].matrix
    if len(arrays) > 1:
        return None
    if x.op.name == "pow" and isinstance(args[0], Array):
        return sympy.HadamardPower(args[0].matrix, args[1])
    t = sympy.Dummy("t")
    body = scalar(x, [t if isinstance(a, Array) else a for a in args])
    return None if body.is_Boolean else arrays[0].matrix.applyfunc(sympy.Lambda(t, body))


# ---- products and reductions


def _einsum(x: Node, args: list[Any]) -> Any:
    labels: Any
    out: Any
    labels, out, _ = x.params
    matrix = _product(args, labels, out) if len(out) == 2 or len(args) <= 2 else None
    if matrix is not None:
        return _matrix(matrix, x.type.shape)
    sizes = label_sizes(x)

    def at(*index: Any) -> Any:
        import sympy

        bound = dict(zip(out, index, strict=True))
        summed = {k: sympy.Dummy("k", integer=True) for k in sizes if k not in bound}
        place = {**bound, **summed}
        factors = [
            _factor(a, [0 if sizes[k] == 1 else place[k] for k in ls]) for a, ls in zip(args, labels, strict=True)
        ]
        limits = [(k, 0, dimension(sizes[name]) - 1) for name, k in summed.items()]
        return sympy.Sum(sympy.Mul(*factors), *limits) if limits else sympy.Mul(*factors)

    return Array(x.type.shape, at) if out else at()


def _factor(a: Any, index: list[Any]) -> Any:
    import sympy

    if isinstance(a, Array) and isinstance(a.matrix, sympy.Identity):
        return sympy.KroneckerDelta(*index)
    return a.at(*index) if isinstance(a, Array) else a


def _product(args: list[Any], labels: Any, out: Any) -> Any:
    """Matrix notation for a transpose, diagonal or chain of matrix products; None for others and for scalars."""
    import sympy

    if not out or any(not isinstance(a, Array) or a.matrix is None for a in args):
        return None
    flat = [k for ls in labels for k in ls]
    if labels == ((0,), (0, 1)) and out == (0, 1) and isinstance(args[1].matrix, sympy.Identity):
        return sympy.DiagMatrix(args[0].matrix)
    if len(args) == 1 and labels[0] == (0, 0):
        return sympy.DiagonalOf(args[0].matrix) if out == (0,) else None
    if (
        any(len(set(ls)) < len(ls) for ls in labels)
        or any(flat.count(k) + (k in out) != 2 for k in flat)
        or not set(out) <= set(flat)
    ):
        return None
    factors = _chain([(a.matrix, tuple(ls)) for a, ls in zip(args, labels, strict=True)], out)
    return None if factors is None else factors[0] if len(factors) == 1 else sympy.MatMul(*factors).doit(deep=False)


def _chain(rest: list[tuple[Any, tuple[int, ...]]], out: Any) -> list[Any] | None:
    """Factors in an order in which neighbours share a label, from the first label of the result to the last."""
    factors: list[Any] = []
    label = out[0]
    while rest:
        k = next((k for k, (_, ls) in enumerate(rest) if label in ls), None)
        if k is None:
            if len(out) != 2 or len(rest) == 0:
                return None
            k = next((k for k, (_, ls) in enumerate(rest) if len(ls) == 1), None)
            if k is None:
                return None
            matrix, ls = rest.pop(k)
            factors.append(matrix.T)
            label = ls[0]
            if label != out[1]:
                return None
            continue
        matrix, ls = rest.pop(k)
        if len(ls) == 1:
            factors.append(matrix)
            label = None
        else:
            factors.append(matrix if ls[0] == label else matrix.T)
            label = ls[1] if ls[0] == label else ls[0]
    return factors if len(out) == 1 or label == out[1] else None


def _reduction(form: Callable[..., Any]) -> Callable[[Node, list[Any]], Any]:
    """A reduction over the axes in a node's parameters, from its operand's element and the summed indices."""

    def write(x: Node, args: list[Any]) -> Any:
        (a,) = args
        gone = [k + len(a.shape) for k in x.params[0]]

        def at(*index: Any) -> Any:
            import sympy

            kept = iter(index)
            limits = [(sympy.Dummy("k", integer=True), 0, dimension(a.shape[axis]) - 1) for axis in gone]
            summed = iter([k for k, _, _ in limits])
            place = [next(summed) if axis in gone else next(kept) for axis in range(len(a.shape))]
            return form(sympy, a.at(*place), limits)

        return Array(x.type.shape, at) if x.type.shape else at()

    return write


def _of_softmax(form: Callable[..., Any]) -> Callable[[Node, list[Any]], Any]:
    """A function of the shares that the exponentials of elements have of their sum over the axes in the parameters."""

    def write(x: Node, args: list[Any]) -> Any:
        (a,) = args
        gone = [k + len(a.shape) for k in x.params[0]]

        def at(*index: Any) -> Any:
            import sympy

            limits = [(sympy.Dummy("k", integer=True), 0, dimension(a.shape[axis]) - 1) for axis in gone]
            place = list(index)
            for axis, (k, _, _) in zip(gone, limits, strict=True):
                place[axis] = k
            return form(sympy, sympy.exp(a.at(*index)) / sympy.Sum(sympy.exp(a.at(*place)), *limits))

        return Array(x.type.shape, at)

    return write


# ---- arrangement


def _slice(x: Node, args: list[Any]) -> Any:
    (a,) = args
    cuts: Any = x.params[0]
    lead = len(a.shape) - len(cuts)

    def at(*index: Any) -> Any:
        moved = [dimension(first) + step * i for i, (first, _, step) in zip(index[lead:], cuts, strict=True)]
        return a.at(*index[:lead], *moved)

    return Array(x.type.shape, at)


def _concatenate(x: Node, args: list[Any]) -> Any:
    import sympy

    if len(x.type.shape) > 2:
        raise ArgumentError(f"sympy: an array with {len(x.type.shape)} axes has no counterpart in SymPy")
    blocks = [_as_matrix(a) for a in args]
    row = len(x.type.shape) == 2 and x.params[0] == -1
    return _matrix(sympy.BlockMatrix([blocks] if row else [[block] for block in blocks]), x.type.shape)


# ---- matrices


def _of_matrix(name: str) -> Callable[[Node, list[Any]], Any]:
    def write(x: Node, args: list[Any]) -> Any:
        import sympy

        if len(x.inputs[0].type.shape) != 2:
            raise ArgumentError(f"sympy: {x.op.name} of many matrices has no counterpart in SymPy")
        result = getattr(sympy, name)(_as_matrix(args[0]))
        return _matrix(result, x.type.shape) if x.type.shape else result

    return write


def _logdet(x: Node, args: list[Any]) -> Any:
    import sympy

    return sympy.log(sympy.Abs(_of_matrix("Determinant")(x, args)))


def _solve(x: Node, args: list[Any]) -> Any:
    import sympy

    a, b = args
    if len(a.shape) != 2 or len(b.shape) > 2:
        raise ArgumentError("sympy: solve of many matrices has no counterpart in SymPy")
    return _matrix(sympy.MatMul(sympy.Inverse(_as_matrix(a)), _as_matrix(b)), x.type.shape)


_ROWS: dict[str, Callable[[Node, list[Any]], Any]] = {
    "symbol": _symbol, "constant": _constant, "size": _size, "delta": _delta, "iota": _iota, "einsum": _einsum,
    "slice": _slice, "concatenate": _concatenate, "inv": _of_matrix("Inverse"), "det": _of_matrix("Determinant"),
    "logdet": _logdet, "solve": _solve, "softmax": _of_softmax(lambda s, share: share),
    "log_softmax": _of_softmax(lambda s, share: s.log(share)), "softmax_rest": _of_softmax(lambda s, share: 1 - share),
    "norm": _reduction(lambda s, e, limits: s.sqrt(s.Sum(e**2, *limits))),
    "logsumexp": _reduction(lambda s, e, limits: s.log(s.Sum(s.exp(e), *limits))),
    "prod": _reduction(lambda s, e, limits: s.Product(e, *limits)),
}  # fmt: skip


__all__ = ["written"]
