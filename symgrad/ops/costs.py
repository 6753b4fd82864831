"""Costs of *Deep Learning* (Goodfellow, Bengio, Courville, 2016), section 6.2, as formulas of the operation table.

Costs named for a mean are means over all elements; the others are sums over everything (divide by the number of
examples for a mean), so that the cost of a whole data set is the sum of those of its parts.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..expression import FUNCTIONS, Expr, broadcast_shapes, function, lift, unify
from .arithmetic import where
from .contraction import mean, sum_, unit_axes
from .softmax import log_softmax


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def _pair(name: str, prediction: Any, target: Any) -> tuple[Expr, Expr]:
    (a, b), _ = unify([prediction, target], want_float=True)
    broadcast_shapes(name, [a.type, b.type])
    return a, b


@function("mean_squared_error", "mse")
def mean_squared_error(prediction: Any, target: Any) -> Expr:
    """The mean of the squared differences."""
    a, b = _pair("mean_squared_error", prediction, target)
    return mean((a - b) ** 2)


@function("mean_absolute_error", "mae")
def mean_absolute_error(prediction: Any, target: Any) -> Expr:
    """The mean of the absolute differences; the derivative where they agree is 0."""
    a, b = _pair("mean_absolute_error", prediction, target)
    return mean(_f("abs", a - b))


@function("huber")
def huber(prediction: Any, target: Any, delta: float = 1.0) -> Expr:
    """The sum of half the squared differences up to `delta` and of ``delta*(abs(difference) - delta/2)`` beyond."""
    a, b = _pair("huber", prediction, target)
    size = _f("abs", a - b)
    return sum_(where(size <= delta, 0.5 * (a - b) ** 2, delta * (size - 0.5 * delta)))


@function("binary_cross_entropy")
def binary_cross_entropy(probability: Any, target: Any) -> Expr:
    """``-sum(target*log(p) + (1 - target)*log(1 - p))``; a target of 0 or 1 makes the other term 0 even where its log
    is infinite."""
    p, y = _pair("binary_cross_entropy", probability, target)
    return -sum_(_f("xlogy", y, p) + _f("xlog1py", 1 - y, -p))


@function("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(logits: Any, target: Any) -> Expr:
    """The binary cross-entropy of ``sigmoid(logits)``, without overflow or cancellation."""
    z, y = _pair("binary_cross_entropy_with_logits", logits, target)
    return sum_(y * _f("softplus", -z) + (1 - y) * _f("softplus", z))


@function("nll", "negative_log_likelihood")
def nll(log_probabilities: Any, labels: Any) -> Expr:
    """``-sum(log_probabilities[i, labels[i]])`` for integer labels, or ``-sum(labels * log_probabilities)``."""
    logs, y = lift(log_probabilities), lift(labels)
    return -sum_(chosen(logs, y)) if y.dtype == "i64" else -sum_(y * logs)


def chosen(table: Expr, labels: Expr) -> Expr:
    """The elements of the last axis of `table` at integer `labels`, one per row."""
    if labels.ndim != table.ndim - 1:
        raise ShapeError(f"labels {labels.type} do not fit the rows of {table.type}")
    classes = _f("arange", table.shape[-1])
    return _f("mask", unit_axes(labels, [*range(labels.ndim), None]) == classes, table)


@function("cross_entropy", "cross_entropy_with_logits")
def cross_entropy(logits: Any, labels: Any) -> Expr:
    """Softmax cross-entropy ``-sum(labels * log_softmax(logits))``, summed over everything.

    `labels` are probabilities (or one-hot) of the shape of `logits`, or integer classes of that shape without the last
    axis. A class outside the range of the last axis contributes nothing."""
    z, y = lift(logits), lift(labels)
    if y.dtype == "bool":
        y = y.astype(z.dtype)
    return nll(log_softmax(z), y)


@function("kl_divergence")
def kl_divergence(p: Any, q: Any) -> Expr:
    """``sum(p * log(p/q))``, where terms with p = 0 are 0."""
    a, b = _pair("kl_divergence", p, q)
    return sum_(_f("rel_entr", a, b))


@function("hinge")
def hinge(scores: Any, target: Any) -> Expr:
    """``sum(max(0, 1 - target*scores))`` for targets -1 and 1."""
    s, y = _pair("hinge", scores, target)
    return sum_(_f("relu", 1 - y * s))


__all__ = ["cross_entropy", "huber", "mean_squared_error"]
