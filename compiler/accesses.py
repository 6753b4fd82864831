"""How an index moves along a loop: what decides which loop is vectorised and which loads are contiguous."""

from __future__ import annotations

from collections.abc import Container

from .index import AxisValue, Call, Const, Expr, Load, SizeValue


def stride(expr: Expr, axis: str, varying: Container[str] = ()) -> int | None:
    """By how much `expr` grows when `axis` grows by one; None if that is not a constant.

    Loads of the arrays in `varying` (registers that depend on the axis) are not constant along it.
    """
    match expr:
        case Const() | SizeValue():
            return 0
        case AxisValue(name):
            return int(name == axis)
        case Load(array, index):
            return 0 if array not in varying and all(stride(part, axis, varying) == 0 for part in index) else None
        case Call(op, args):
            moves = [stride(arg, axis, varying) for arg in args]
            if all(move == 0 for move in moves):
                return 0
            known = [move for move in moves if move is not None]
            if len(known) < len(moves) or op not in ("add", "sub"):
                return None
            return sum(known) if op == "add" else known[0] - known[1]


def contiguous(index: tuple[Expr, ...], axis: str, varying: Container[str] = ()) -> bool:
    """Whether neighbours along `axis` are neighbours in memory."""
    moves = [stride(part, axis, varying) for part in index]
    return bool(moves) and moves[-1] == 1 and not any(moves[:-1]) and None not in moves


def constant_along(index: tuple[Expr, ...], axis: str, varying: Container[str] = ()) -> bool:
    """Whether the element is the same for all values of `axis`."""
    return all(stride(part, axis, varying) == 0 for part in index)
