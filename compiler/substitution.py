"""Expressions with other indices: what the axes of one statement are in another.

An expression is at most as deep as one statement says it, so these walk down by calling themselves.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from .index import AxisValue, Call, Expr, Load


def substituted(expr: Expr, places: Mapping[str, Expr]) -> Expr:
    """`expr` with the axes of these names replaced."""
    match expr:
        case AxisValue(name):
            return places.get(name, expr)
        case Load(array, index):
            return Load(array, tuple(substituted(part, places) for part in index))
        case Call(op, args):
            return Call(op, tuple(substituted(arg, places) for arg in args))
        case _:
            return expr


def mentions(expr: Expr, axes: Container[str]) -> bool:
    """Whether `expr` depends on one of the axes of these names."""
    match expr:
        case AxisValue(name):
            return name in axes
        case Load(_, parts) | Call(_, parts):
            return any(mentions(part, axes) for part in parts)
        case _:
            return False


__all__ = ["mentions", "substituted"]
