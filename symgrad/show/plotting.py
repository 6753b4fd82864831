"""Plots of a scalar formula of one variable and of its derivatives, with matplotlib (the extra `plot`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..expression import Expr
from .latex import latex

POINTS = 400


def plot(
    f: Expr, variable: str | None, start: float, stop: float, order: int, axes: Any, values: dict[str, Any]
) -> Any:
    """The axes on which `f` and its derivatives up to `order` are drawn over [start, stop]; the other symbols have
    `values`.  Raises ArgumentError where a symbol has no value, the formula is no scalar, or matplotlib is missing."""
    name = _variable(f, variable, values)
    if f.ndim or f.symbols[name].ndim:
        given = f"{f.type} by {f.symbols[name].type}"
        raise ArgumentError(f"plot: needs a scalar formula of a scalar variable, got {given}")
    if order < 0 or not start < stop:
        raise ArgumentError("plot: needs an order of at least 0 and start < stop")
    axes = _axes() if axes is None else axes
    at = np.linspace(start, stop, POINTS)
    curve = f
    for k in range(order + 1):
        simple = curve.simplify()
        with np.errstate(all="ignore"):
            heights = [float(curve(**{**values, name: x})) for x in at]
        mark = "'" * k if k < 4 else f"^{{({k})}}"
        axes.plot(at, heights, label=rf"$f{mark} = {latex(simple)}$")
        curve = curve.grad(name) if k < order else curve
    axes.set_xlabel(name)
    axes.legend()
    return axes


def _variable(f: Expr, variable: str | None, values: dict[str, Any]) -> str:
    free = [name for name in f.symbols if name not in values]
    name = variable if variable is not None else free[0] if len(free) == 1 else None
    if name is None or name not in f.symbols:
        raise ArgumentError(f"plot: name the variable, one of {', '.join(f.symbols)}, and give values to the others")
    missing = [other for other in free if other != name]
    if missing:
        raise ArgumentError(f"plot: give values to {', '.join(missing)}, as in plot({name!r}, {missing[0]}=1.0)")
    return name


def _axes() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ArgumentError("plot: needs matplotlib: pip install 'symgrad[plot]'") from None
    return pyplot.subplots()[1]


__all__ = ["plot"]
