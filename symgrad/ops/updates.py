"""Copies of an array with some elements changed: ``x.at[index].add(v)`` and ``x.at[index].set(v)``.

The elements that an index chooses are a chain of linear operations; `add` puts `v` back through their adjoints.
"""

from __future__ import annotations

from typing import Any

from ..compiler.records import record
from ..compiler.types import product
from ..errors import ShapeError
from ..expression import FUNCTIONS, Expr, apply, cast, function, lift, unify
from .arithmetic import where
from .contraction import broadcast_to
from .shaping import getitem, reshape


def _chosen(x: Expr, index: Any, value: Any) -> tuple[Expr, Expr]:
    """``x[index]``, and `value` in its shape and element type."""
    part = getitem(x, index)
    v = unify([value])[0][0]
    return part, broadcast_to(cast(v, x.dtype), part.type.shape)


def put_back(x: Expr, part: Expr, value: Expr) -> Expr:
    """Zeros in the shape of `x` with `value` added where `part`, which indexing made of `x`, has its elements."""
    y = part
    while y.node is not x.node:
        assert y.node.op.vjp is not None
        inputs = [Expr(i) for i in y.node.inputs]
        value = y.node.op.vjp(value, y, *inputs)[0]
        y = inputs[0]
    return value


@function("index_add")
def index_add(x: Any, index: Any, value: Any) -> Expr:
    """`x` with `value` added to ``x[index]``; where an array of integers names an element twice, it is added twice."""
    target = lift(x)
    part, v = _chosen(target, index, value)
    return target + put_back(target, part, v)


@function("index_set")
def index_set(x: Any, index: Any, value: Any) -> Expr:
    """`x` with `value` in place of ``x[index]``; where an array of integers names an element twice, the last one counts."""
    target = lift(x)
    part, v = _chosen(target, index, value)
    if not _repeats(part, target):
        count = put_back(target, part, broadcast_to(cast(lift(1), target.dtype), part.type.shape))
        return where(count > 0, put_back(target, part, v), target)
    total = product(target.type.shape)
    numbers = reshape(FUNCTIONS["arange"](target.size), target.type.shape) if target.ndim else lift(0)
    places = reshape(getitem(numbers, index), (-1,))
    last = _last_at(places, total)
    flat = where(last >= 0, FUNCTIONS["take"](reshape(v, (-1,)), FUNCTIONS["maximum"](last, 0), 0), reshape(target, (-1,)))
    return reshape(flat, target.type.shape)


def _repeats(part: Expr, target: Expr) -> bool:
    """Whether an array of integers chose the elements."""
    y = part.node
    while y is not target.node:
        if y.op.name == "take":
            return True
        y = y.inputs[0]
    return False


def _last_at(places: Expr, total: Any) -> Expr:
    """For each of `total` places the position at which it stands last, or -1."""
    order = FUNCTIONS["argsort"](places)
    ordered = apply("take", [places, order], (-1, 1))
    found = FUNCTIONS["searchsorted"](ordered, FUNCTIONS["arange"](total), side="right") - 1
    inside = FUNCTIONS["maximum"](found, 0)
    hit = (found >= 0) & (apply("take", [ordered, inside], (-1, 1)) == FUNCTIONS["arange"](total))
    return where(hit, apply("take", [order, inside], (-1, 1)), -1)


@record(frozen=True, slots=True)
class Place:
    """Elements of an array that are to be changed in a copy of it."""

    array: Expr
    index: Any

    def add(self, value: Any) -> Expr:
        """The array with `value` added there."""
        return index_add(self.array, self.index, value)

    def set(self, value: Any) -> Expr:
        """The array with `value` there."""
        return index_set(self.array, self.index, value)


@record(frozen=True, slots=True)
class At:
    """``x.at``: index it to choose elements, then `add` or `set` them in a copy."""

    array: Expr

    def __getitem__(self, index: Any) -> Place:
        if not self.array.ndim:
            raise ShapeError(f"at: a scalar has no elements to choose ({self.array.type})")
        return Place(self.array, index)


Expr.at = property(At)  # type: ignore[attr-defined]

__all__ = ["At", "Place", "index_add", "index_set"]
