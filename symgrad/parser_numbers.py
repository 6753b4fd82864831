"""Arithmetic on plain numbers as Python does it, with limits: what a formula says of numbers alone is a number.

So text and a traced function give the same node for ``1/3*x``, and a huge power costs nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from .errors import DomainError, DTypeError
from .expression import Expr
from .interpreter import run

Number = int | float | bool
BITS = 1024
"""Integers are exact up to this length, about 300 digits: beyond the range of float64."""

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "@": operator.matmul, "**": operator.pow, "^": operator.pow, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def is_number(value: object) -> bool:
    """Whether `value` is a Python number."""
    return isinstance(value, int | float)


def calculate(symbol: str, a: Number, b: Number) -> Number:
    """``a symbol b``.  Raises DomainError where the result is no real number or too large."""
    if symbol in ("**", "^"):
        _check_power(a, b)
    try:
        result = OPERATORS[symbol](a, b)
    except ZeroDivisionError:
        raise DomainError(f"division by zero: {_shown(a)} {symbol} {_shown(b)}") from None
    except OverflowError:
        raise DomainError(f"{_shown(a)} {symbol} {_shown(b)} is larger than any float64") from None
    if isinstance(result, complex):
        raise DTypeError(f"{_shown(a)} {symbol} {_shown(b)} is a complex number; symgrad computes with real numbers")
    number: Number = result
    if isinstance(number, int) and number.bit_length() > BITS:
        raise DomainError(f"{_shown(a)} {symbol} {_shown(b)} is an integer of more than 300 digits")
    return number


def _check_power(a: Number, b: Number) -> None:
    if isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and b * (a.bit_length() - 1) > BITS:
        raise DomainError(f"{_shown(a)} ** {_shown(b)} is an integer of more than 300 digits")


def _shown(a: Number) -> str:
    text = str(a)
    return text if len(text) <= 24 else f"{text[:10]}…{text[-10:]}"


def folded(result: Any, arguments: Iterable[Any]) -> Any:
    """`result` as a number, if it is a scalar and all that it was made of are numbers."""
    if isinstance(result, Expr) and result.weak and not result.ndim and all(is_number(a) for a in arguments):
        return run([result.node], {}, {})[0].item()
    return result


__all__ = ["Number", "calculate", "folded", "is_number"]
