"""Optimisers: update rules as formulas, which are compiled into the step, and SciPy's minimisers.

An update rule is a function of the gradient `g`, the number `t` of the step (from 1) and arrays of state like the
parameter (zero at first).  It returns the direction to go down and the new state; its keyword arguments are options.  A
parameter `w` becomes ``w - rate*(direction + decay*w)``: weight decay is decoupled (Loshchilov and Hutter, ICLR 2019),
which for "sgd" is the gradient of ``decay/2*sum(w**2)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .arguments import suggestion
from .errors import ArgumentError
from .expression import FUNCTIONS, Expr

Rule = Callable[..., tuple[Expr, ...]]


def sgd(g: Expr, t: Expr) -> tuple[Expr, ...]:
    """Steepest descent."""
    return (g,)


def momentum(g: Expr, t: Expr, v: Expr, *, momentum: float = 0.9) -> tuple[Expr, ...]:
    """The heavy ball (Polyak, 1964): a decaying sum of gradients."""
    v = momentum * v + g
    return v, v


def nesterov(g: Expr, t: Expr, v: Expr, *, momentum: float = 0.9) -> tuple[Expr, ...]:
    """Nesterov's momentum in the variables of Sutskever, Martens, Dahl, Hinton, ICML 2013, after a change of the
    variable to the point where the gradient is taken."""
    v = momentum * v + g
    return g + momentum * v, v


def adam(
    g: Expr, t: Expr, m: Expr, s: Expr, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> tuple[Expr, ...]:
    """Adam (Kingma and Ba, ICLR 2015), with weight decay AdamW: steps of the size of the rate, whatever the scale of
    the gradient."""
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g**2
    return m / (1 - beta1**t) / (FUNCTIONS["sqrt"](s / (1 - beta2**t)) + eps), m, s


RULES: dict[str, tuple[Rule, float]] = {
    "sgd": (sgd, 0.1), "momentum": (momentum, 0.01), "nesterov": (nesterov, 0.01), "adam": (adam, 1e-3),
}  # fmt: skip
"""The rules by name, each with its usual rate."""


def l_bfgs(epochs: int, *, tolerance: float = 1e-6, memory: int = 10) -> dict[str, Any]:
    """Quasi-Newton with limited memory (Byrd, Lu, Nocedal, Zhu, 1995); ends where no entry of the gradient is larger
    than `tolerance`."""
    limits = {"maxiter": epochs, "maxfun": 100 * epochs, "maxcor": memory}
    return {"method": "L-BFGS-B", "options": {**limits, "gtol": tolerance, "ftol": 1e-15}}


def newton_krylov(epochs: int, *, tolerance: float = 1e-6) -> dict[str, Any]:
    """Newton steps in trust regions by conjugate gradients (Steihaug, 1983), which need the Hessian only in products;
    ends where the norm of the gradient is smaller than `tolerance`."""
    return {"method": "trust-ncg", "options": {"maxiter": epochs, "gtol": tolerance}}


MINIMISERS: dict[str, Callable[..., dict[str, Any]]] = {"l-bfgs": l_bfgs, "newton-krylov": newton_krylov}
"""What `scipy.optimize.minimize` is told, by name."""


def rule_of(method: Any) -> tuple[Rule, float]:
    """The update rule called `method`, or which it is itself, and its usual rate.  Raises ArgumentError."""
    known = [*RULES, *MINIMISERS]
    if callable(method):
        return method, 0.01
    if method not in RULES:
        raise ArgumentError(f"fit: unknown method {method!r}{suggestion(str(method), known)}: {', '.join(known)}")
    return RULES[method]


def states(rule: Rule) -> list[str]:
    """The names of a rule's states."""
    found = [p.name for p in inspect.signature(rule).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    return found[2:]


def check_options(method: Any, f: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raises ArgumentError for options that the method `f` does not have."""
    known = [p.name for p in inspect.signature(f).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            told = f"has {', '.join(known)}" if known else "has none"
            raise ArgumentError(f"fit: unknown option {name}{suggestion(name, known)}; the method {method!r} {told}")


__all__ = ["MINIMISERS", "RULES", "check_options", "rule_of", "states"]
