"""The meaning of a graph in high precision: mpmath numbers in NumPy's object arrays, node by node.

It shares nothing with the NumPy meaning but the rules of shapes: elementwise operations are mpmath's functions, sums,
products and selections are written out here, and what only moves elements moves these.  Constants are the doubles that
the graph holds.  Where mathematics has no real value (a logarithm of -1, 0/0) the result is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import mpmath
import numpy as np

from . import high_precision_matrices
from .compiler.types import ArrayType, evaluate, is_float
from .errors import ArgumentError, SymgradError
from .expression import Expr, constant_value, symbol_name
from .graph import Node, postorder

Array = np.ndarray[Any, Any]
Meaning = Callable[[Sequence[Array], Node, Mapping[str, int]], Any]
MEANINGS: dict[str, Meaning] = {}
"""What operations mean that are neither elementwise nor only move elements."""


def run(roots: Sequence[Node], values: Mapping[Node, Any], sizes: Mapping[str, int]) -> list[Array]:
    """The values of `roots` at mpmath's working precision, where `values` are those of the symbols, or of other nodes
    (`exactly` makes them).

    Floating-point results are object arrays of mpmath numbers.  Raises ArgumentError for an operation that has no
    meaning in high precision here."""
    known: dict[Node, Array] = {}
    for x in _needed(roots, values):
        if x in values:
            known[x] = values[x]
        elif x.op.name == "symbol":
            raise KeyError(symbol_name(x))
        else:
            known[x] = _fitted(_computed(x, [known[i] for i in x.inputs], sizes), x.type)
    return [known[root] for root in roots]


def _needed(roots: Sequence[Node], values: Mapping[Node, Any]) -> list[Node]:
    """What `roots` are computed from, down to nodes that have values."""
    order, needed = postorder(roots), set(roots)
    for x in reversed(order):
        if x in needed and x not in values:
            needed.update(x.inputs)
    return [x for x in order if x in needed]


def exactly(a: Any) -> Array:
    """The numbers of `a` as they are: floating-point ones as mpmath numbers."""
    array = np.asarray(a)
    return _each(lambda v: mpmath.mpf(float(v)), array) if array.dtype.kind == "f" else array


def _each(f: Callable[..., Any], *arrays: Array) -> Array:
    """`f` of the elements of broadcast arrays, as an object array; NaN where it has no real value."""

    def real(*args: Any) -> Any:
        try:
            y = f(*args)
        except ZeroDivisionError:
            return mpmath.inf if f is not _divide else _quotient(*args)
        except (ValueError, OverflowError, ArithmeticError):
            return mpmath.nan
        return mpmath.nan if isinstance(y, mpmath.mpc) else y

    result = np.empty(np.broadcast_shapes(*(a.shape for a in arrays)), dtype=object)
    wide = np.broadcast_arrays(*arrays)
    for index in np.ndindex(result.shape):
        result[index] = real(*(a[index] for a in wide))
    return result


def _divide(a: Any, b: Any) -> Any:
    return a / b


def _quotient(a: Any, _: Any) -> Any:
    return mpmath.nan if a == 0 or mpmath.isnan(a) else mpmath.sign(a) * mpmath.inf


def _fitted(a: Any, type_: ArrayType) -> Array:
    array = np.asarray(a, dtype=object) if is_float(type_.dtype) else np.asarray(a)
    if type_.dtype == "bool":
        return array.astype(bool)
    if type_.dtype == "i64":
        return array.astype(np.int64)
    return array


def _computed(x: Node, args: Sequence[Array], sizes: Mapping[str, int]) -> Any:
    name = x.op.name
    if name in MEANINGS:
        return MEANINGS[name](args, x, sizes)
    f = _function(x)
    if f is not None and is_float(x.type.dtype):
        return _each(_divide if name == "div" else f, *map(_lifted, args))
    if f is not None and any(a.dtype == object for a in args):
        return _each(f, *args)
    if x.op.expand is not None:
        return _expanded(x, args, sizes)
    try:
        return x.op.evaluate(list(args), x.params, sizes)
    except SymgradError:
        raise
    except Exception as problem:
        raise ArgumentError(f"{name}: has no meaning in high precision") from problem


def _function(x: Node) -> Callable[..., Any] | None:
    f = x.op.mpmath
    if f is None:
        return None
    found = getattr(mpmath, f) if isinstance(f, str) else f
    return partial(found, *x.params) if x.params else found


def _lifted(a: Array) -> Array:
    return a if a.dtype == object else _each(lambda v: mpmath.mpf(int(v)), a)


def _expanded(x: Node, args: Sequence[Array], sizes: Mapping[str, int]) -> Array:
    """An operation by its formula of simpler ones."""
    assert x.op.expand is not None
    (result,) = run([x.op.expand(Expr(x), *map(Expr, x.inputs)).node], dict(zip(x.inputs, args, strict=True)), sizes)
    return result


def _means(*names: str) -> Callable[[Meaning], Meaning]:
    def add(f: Meaning) -> Meaning:
        MEANINGS.update(dict.fromkeys(names, f))
        return f

    return add


# ---- leaves, conversions, selections

@_means("constant")
def _constant(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    value = np.asarray(constant_value(x))
    return exactly(np.broadcast_to(value, tuple(evaluate(n, sizes) for n in x.type.shape)))


@_means("size", "delta", "cast")
def _cast(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    value = args[0] if x.op.name == "cast" else np.asarray(x.op.evaluate([], x.params, sizes))
    if not is_float(x.type.dtype):
        return _each(int, value) if value.dtype == object else value
    return value if value.dtype == object else _each(lambda v: mpmath.mpf(float(v)), value)


@_means("where", "mask")
def _where(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    rest = args[1:] if x.op.name == "where" else [args[1], exactly(0.0) if is_float(x.type.dtype) else np.asarray(0)]
    return np.where(args[0], *rest)


@_means("stop_gradient")
def _itself(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    return args[0]


@_means("logical_not")
def _not(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    return ~np.asarray(args[0], dtype=bool)


@_means("isnan", "isinf", "isfinite")
def _question(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    answers = {"isnan": mpmath.isnan, "isinf": mpmath.isinf, "isfinite": mpmath.isfinite}
    return _each(answers[x.op.name], *args)


# ---- reductions

def _over_axes(f: Callable[[list[Any]], Any]) -> Meaning:
    def meaning(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
        (a,) = args
        axes = sorted(k + a.ndim for k in x.params[0])
        kept = [k for k in range(a.ndim) if k not in axes]
        shape = tuple(a.shape[k] for k in kept)
        rows = a.transpose([*kept, *axes]).reshape(*shape, -1)
        result = np.empty(shape, dtype=object)
        for index in np.ndindex(shape):
            result[index] = f(list(rows[index]))
        return result

    return meaning


def _norm(row: list[Any]) -> Any:
    return mpmath.sqrt(mpmath.fsum(v * v for v in row))


def _logsumexp(row: list[Any]) -> Any:
    top = max(row, default=-mpmath.inf)
    return top if mpmath.isinf(top) else top + mpmath.log(mpmath.fsum(mpmath.exp(v - top) for v in row))


MEANINGS["norm"] = _over_axes(_norm)
MEANINGS["logsumexp"] = _over_axes(_logsumexp)
MEANINGS["prod"] = _over_axes(lambda row: mpmath.fprod(row))
MEANINGS["max"], MEANINGS["min"] = _over_axes(max), _over_axes(min)


@_means("softmax")
def _softmax(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    (a,) = args
    axes = tuple(k + a.ndim for k in x.params[0])
    e = _each(mpmath.exp, a - np.max(a, axis=axes, keepdims=True))
    return e / np.sum(e, axis=axes, keepdims=True)


@_means("log_softmax")
def _log_softmax(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    return _each(mpmath.log, _softmax(args, x, sizes))


@_means("softmax_rest")
def _softmax_rest(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    (a,) = args
    axes = tuple(k + a.ndim for k in x.params[0])
    e = _each(mpmath.exp, a - np.max(a, axis=axes, keepdims=True))
    total = np.sum(e, axis=axes, keepdims=True)
    return (total - e) / total


@_means("softmax_slope")
def _softmax_slope(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    (a,) = args
    e = _each(mpmath.exp, a - np.max(a, axis=-1, keepdims=True))
    share = e / np.sum(e, axis=-1, keepdims=True)
    return np.eye(a.shape[-1], dtype=int) * share[..., None] - share[..., None] * share[..., None, :]


@_means("logcumsumexp")
def _logcumsumexp(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    a = args[0][..., ::-1] if x.params[0] else args[0]
    result = np.empty(a.shape, dtype=object)
    for index in np.ndindex(a.shape):
        result[index] = _logsumexp(list(a[(*index[:-1], slice(0, index[-1] + 1))]))
    return result[..., ::-1] if x.params[0] else result


# ---- linear algebra, matrix by matrix

def _by_matrix(f: Callable[..., Any]) -> Meaning:
    def meaning(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
        lead = np.broadcast_shapes(*(a.shape[:-2] for a in args))
        wide = [np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in args]
        result = np.empty(tuple(evaluate(n, sizes) for n in x.type.shape), dtype=object)
        for index in np.ndindex(lead):
            try:
                found = f(*(mpmath.matrix(a[index].tolist()) for a in wide))
            except (ZeroDivisionError, ValueError):  # singular, or not positive definite
                result[index] = mpmath.nan
                continue
            if not isinstance(found, mpmath.matrix):
                result[index] = found
                continue
            for i, j in np.ndindex(found.rows, found.cols):
                result[(*index, i, j)] = found[i, j]
        return result

    return meaning


MEANINGS["inv"] = _by_matrix(mpmath.inverse)
MEANINGS["cholesky"] = _by_matrix(mpmath.cholesky)
MEANINGS["det"] = _by_matrix(high_precision_matrices.determinant)
MEANINGS["logdet"] = _by_matrix(lambda a: mpmath.log(abs(high_precision_matrices.determinant(a))))
MEANINGS["expm"] = _by_matrix(mpmath.expm)


@_means("solve")
def _solve(args: Sequence[Array], x: Node, sizes: Mapping[str, int]) -> Any:
    return MEANINGS["inv"]([args[0]], x.inputs[0], sizes) @ args[1]


MEANINGS.update(high_precision_matrices.MEANINGS)

__all__ = ["MEANINGS", "exactly", "run"]
