"""What the instructions of an expression cost: vector mathematics and divisions are dear, all else is cheap."""

from __future__ import annotations

from .index import Call, Expr
from .scalars import SCALARS


def functions(expr: Expr) -> int:
    """The calls of mathematical functions in `expr`."""
    match expr:
        case Call(op, args):
            return is_function(op) + sum(map(functions, args))
        case _:
            return 0


def instructions(expr: Expr) -> int:
    """The instructions in `expr`."""
    match expr:
        case Call(_, args):
            return 1 + sum(map(instructions, args))
        case _:
            return 0


def is_dear(expr: Expr) -> bool:
    """Whether `expr` calls a mathematical function or divides."""
    match expr:
        case Call(op, args):
            return is_function(op) or op == "div" or any(map(is_dear, args))
        case _:
            return False


def is_function(op: str) -> bool:
    """Whether `op` is a mathematical function, of many instructions of the processor."""
    return any(not isinstance(form, tuple) or len(form) > 4 for form in SCALARS[op].emit.values())
