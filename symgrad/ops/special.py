"""Special functions of SciPy: gamma, Bessel, error and normal distribution, entropy, zeta, Lambert's W.

Families whose derivatives are members again are one operation with the order as its parameter.  Compiled code has
functions of its own, and calls SciPy's C functions through their pointers for the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compiler.index import Call, Const
from ..compiler.scalars import SCALARS
from ..errors import ArgumentError, NotDifferentiable
from ..expression import FUNCTIONS, Expr, apply, function, unify
from ..graph import Node
from .elementwise import binary, elementwise, masked, unary

ROOT_PI, ROOT_2PI = float(np.sqrt(np.pi)), float(np.sqrt(2 * np.pi))


def _f(name: str, *args: Any) -> Expr:
    result: Expr = FUNCTIONS[name](*args)
    return result


def scipy_special(name: str) -> Callable[..., Any]:
    """A SciPy function, imported when it is first used."""

    def call(*args: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args)

    return call


def _mp() -> Any:
    import mpmath

    return mpmath


def member(op: str, order: int, x: Expr) -> Expr:
    """The member of a family with this order, at `x`."""
    return apply(op, [x], (order,))


def family_function(
    op: str, name: str, doc: str, fixed: tuple[Any, ...] = (), numpy: Sequence[Callable[..., Any]] = ()
) -> None:
    """Registers the public function `name` of a family: ``name(n, x)``, or ``name(x)`` with `fixed` parameters."""

    def at_order(n: Any, x: Any) -> Expr:
        if not isinstance(n, int | np.integer) or isinstance(n, bool):
            raise ArgumentError(
                f"{name}: the order must be an integer, got {n!r}; derivatives by the order do not exist here"
            )
        if name in ("polygamma", "erfcx_derivative") and n < 0:
            raise ArgumentError(f"{name}: the order of a derivative is 0 or more, got {n!r}")
        operands, weak = unify([x], want_float=True)
        return apply(op, operands, (int(n),), weak=weak)

    def at(x: Any) -> Expr:
        operands, weak = unify([x], want_float=True)
        return apply(op, operands, fixed, weak=weak)

    call: Callable[..., Expr] = at if fixed else at_order
    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    function(name, numpy=list(numpy))(call)


def _of_order(name: str) -> Callable[[Node], tuple[str, dict[str, Any]]]:
    """How the text of a member of a family says its order."""
    return lambda x: (name, {"n": x.params[0]})


# ---- gamma and relatives

unary("gammaln", scipy_special("gammaln"), lambda y, x: _f("digamma", x), "lgamma", domain=((0.3, 4),), sympy="loggamma",
      mpmath=lambda x: _mp().log(abs(_mp().gamma(x))), latex=r"\log\Gamma", doc="Logarithm of the absolute value of gamma.")  # fmt: skip
unary("gamma", scipy_special("gamma"), lambda y, x: y * _f("digamma", x), domain=((0.5, 4),), sympy="gamma", mpmath="gamma",
      latex=r"\Gamma", doc="Gamma function.")  # fmt: skip
unary("digamma", scipy_special("psi"), lambda y, x: member("polygamma", 1, x), "psi", domain=((2, 5),), sympy="digamma",
      mpmath="digamma", latex=r"\psi", doc="Derivative of gammaln.")  # fmt: skip
def _lower_polygamma(args: Any, x: Node) -> Any:
    """``(-1)**(n + 1) * n! * zeta(n + 1, x)``."""
    (n,) = x.params
    assert isinstance(n, int)
    if n == 0:
        return Call("digamma", args)
    factor = (-1.0) ** (n + 1) * (math.factorial(n) if n <= 170 else math.inf)
    return Call("mul", (Const(factor, x.type.dtype), Call("zeta", (Const(n + 1.0, x.type.dtype), *args))))


elementwise("polygamma", None, lambda y, x: (member("polygamma", y.node.params[0] + 1, x),),
            evaluate=scipy_special("polygamma"), parametric=True, scalar=_lower_polygamma, text=_of_order("polygamma"), domain=((0.5, 4),), sympy="polygamma",
            mpmath=lambda n, x: _mp().polygamma(n, x), doc="Derivative of order n of digamma.")  # fmt: skip
family_function("polygamma", "polygamma", "Derivative of integer order n of digamma: ``polygamma(n, x)``, n >= 1.")
binary("betaln", scipy_special("betaln"), lambda y, a, b: _beta_slopes(a, b), domain=((0.5, 3), (0.5, 3)), commutative=True,
       mpmath=lambda a, b: _mp().log(_mp().beta(a, b)), doc="Logarithm of the beta function.")  # fmt: skip
binary("beta", scipy_special("beta"), lambda y, a, b: tuple(y * s for s in _beta_slopes(a, b)), domain=((0.5, 3), (0.5, 3)),
       commutative=True, sympy="beta", mpmath="beta", latex=r"\operatorname{B}", doc="Beta function.")  # fmt: skip


def _beta_slopes(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    total = _f("digamma", a + b)
    return _f("digamma", a) - total, _f("digamma", b) - total


_BY_ORDER = "zeta: has no derivative by its first argument s; only by q"
elementwise("zeta", None, lambda y, s, q: (NotDifferentiable(_BY_ORDER), -s * apply("zeta", [s + 1, q])),
            evaluate=scipy_special("zeta"), domain=((1.5, 4), (0.5, 3)), mpmath=lambda s, q: _mp().zeta(s, q),
            latex=r"\zeta", doc="Hurwitz zeta function, the sum of (k + q)**-s.")  # fmt: skip


@function("zeta")
def zeta(s: Any, q: Any = 1) -> Expr:
    """Hurwitz's zeta function, the sum over k >= 0 of ``(k + q)**-s`` for s > 1; Riemann's for q = 1.

    Differentiable in q; asking for the derivative in s raises NotDifferentiable."""
    operands, weak = unify([s, q], want_float=True)
    return apply("zeta", operands, weak=weak)


# ---- Bessel functions of integer order

def bessel(name: str, slope: Callable[[Expr, Expr], Expr], scalar_of: dict[int, str], what: str, **facts: Any) -> None:
    """Registers a family of integer orders, whose orders `scalar_of` have functions of their own."""

    def lower(args: Any, x: Node) -> Any:
        (n,) = x.params
        assert isinstance(n, int)
        known = scalar_of.get(n)
        return Call(known, args) if known else Call(name, (Const(float(n), x.type.dtype), *args))

    elementwise(name, None, lambda y, x: (slope(y, x),), evaluate=scipy_special(name), parametric=True, scalar=lower,
                text=_of_order(name), doc=f"{what} of integer order.", **facts)  # fmt: skip
    family_function(name, name, f"{what} of integer order n: ``{name}(n, x)``.")
    for order, short in scalar_of.items():
        family_function(name, short, f"{what} of order {order}.", (order,), [np.i0] if short == "i0" else [])


def order_of(y: Expr) -> int:
    """The order of a member of a family."""
    n = y.node.params[0]
    assert isinstance(n, int)
    return n


def _oscillating(name: str) -> Callable[[Expr, Expr], Expr]:
    return lambda y, x: (
        (member(name, order_of(y) - 1, x) - member(name, order_of(y) + 1, x)) / 2 if order_of(y) else -member(name, 1, x)
    )


def _growing(name: str) -> Callable[[Expr, Expr], Expr]:
    return lambda y, x: (
        (member(name, order_of(y) - 1, x) + member(name, order_of(y) + 1, x)) / 2 if order_of(y) else member(name, 1, x)
    )


bessel("jv", _oscillating("jv"), {0: "j0", 1: "j1"}, "Bessel function of the first kind", domain=((-3, 3),),
        mpmath=lambda n, x: _mp().besselj(n, x), sympy="besselj")  # fmt: skip
bessel("yv", _oscillating("yv"), {0: "y0", 1: "y1"}, "Bessel function of the second kind", domain=((0.5, 3),),
        mpmath=lambda n, x: _mp().bessely(n, x), sympy="bessely")  # fmt: skip
bessel("iv", _growing("iv"), {0: "i0", 1: "i1"}, "Modified Bessel function of the first kind", domain=((-3, 3),),
        mpmath=lambda n, x: _mp().besseli(n, x), sympy="besseli")  # fmt: skip
bessel("ive", lambda y, x: _growing("ive")(y, x) - _f("sign", x) * y, {0: "i0e", 1: "i1e"},
        "Modified Bessel function of the first kind times exp(-abs(x))", domain=((0.3, 3),),
        mpmath=lambda n, x: _mp().besseli(n, x) * _mp().exp(-abs(x)))  # fmt: skip


# ---- error function and normal distribution

def _lower_erfcx_derivative(args: Any, x: Node) -> Any:
    (n,) = x.params
    assert isinstance(n, int)
    return Call("erfcx_derivative", (Const(float(n), x.type.dtype), *args))


unary("erfinv", scipy_special("erfinv"), lambda y, x: ROOT_PI / 2 * _f("exp", y**2), domain=((-0.8, 0.8),), sympy="erfinv",
      mpmath="erfinv", latex=r"\operatorname{erf}^{-1}", doc="Inverse of the error function.")  # fmt: skip
elementwise("erfcx", None, lambda y, x: (member("erfcx_derivative", 1, x),), evaluate=scipy_special("erfcx"), domain=((-1, 3),),
            mpmath=lambda x: _mp().exp(x * x) * _mp().erfc(x), doc="exp(x**2) * erfc(x) without overflow.")  # fmt: skip
elementwise("erfcx_derivative", None, lambda y, x: (member("erfcx_derivative", order_of(y) + 1, x),), evaluate=SCALARS["erfcx_derivative"].numpy,
            parametric=True, scalar=_lower_erfcx_derivative, text=_of_order("erfcx_derivative"), domain=((-1, 3),), doc="Derivative of order n of erfcx, without cancellation.",
            mpmath=lambda n, x: _mp().diff(lambda z: _mp().exp(z * z) * _mp().erfc(z), x, n))  # fmt: skip


@function("erfcx")
def erfcx(x: Any) -> Expr:
    """``exp(x**2) * erfc(x)`` without overflow."""
    operands, weak = unify([x], want_float=True)
    return apply("erfcx", operands, weak=weak)


family_function(
    "erfcx_derivative", "erfcx_derivative", "Derivative of order n of erfcx: ``erfcx_derivative(n, x)``, n >= 1."
)
unary("ndtr", scipy_special("ndtr"), lambda y, x: _f("exp", -(x**2) / 2) / ROOT_2PI, domain=((-2, 2),), mpmath="ncdf",
      latex=r"\Phi", doc="Distribution function of the standard normal distribution.")  # fmt: skip
unary("log_ndtr", scipy_special("log_ndtr"), lambda y, x: float(np.sqrt(2 / np.pi)) / _f("erfcx", -x / float(np.sqrt(2))),
      domain=((-6, 2),), mpmath=lambda x: _mp().log(_mp().erfc(-x / _mp().sqrt(2)) / 2), latex=r"\log\Phi",
      doc="Logarithm of the standard normal distribution function, accurate in the tails.")  # fmt: skip
unary("ndtri", scipy_special("ndtri"), lambda y, x: ROOT_2PI * _f("exp", y**2 / 2), domain=((0.1, 0.9),),
      mpmath=lambda p: _mp().sqrt(2) * _mp().erfinv(2 * p - 1), latex=r"\Phi^{-1}",
      doc="Quantile of the standard normal distribution.")  # fmt: skip


# ---- entropy

unary("logit", scipy_special("logit"), lambda y, x: 1 / (x * (1 - x)), domain=((0.1, 0.9),),
      mpmath=lambda p: _mp().log(p / (1 - p)), latex=r"\operatorname{logit}", doc="log(x/(1 - x)), the inverse of sigmoid.")  # fmt: skip
binary("xlogy", scipy_special("xlogy"), lambda z, x, y: (_f("log", y), masked(x != 0, x / y)), domain=((0.3, 2), (0.3, 2)),
       mpmath=lambda x, y: x * _mp().log(y), doc="x*log(y), 0 where x is 0; where x is 0 no derivative flows to y.")  # fmt: skip
binary("xlog1py", scipy_special("xlog1py"), lambda z, x, y: (_f("log1p", y), masked(x != 0, x / (1 + y))),
       domain=((0.3, 2), (-0.5, 2)), mpmath=lambda x, y: x * _mp().log1p(y), doc="x*log1p(y), 0 where x is 0.")  # fmt: skip
unary("entr", scipy_special("entr"), lambda y, x: -_f("log", x) - 1, domain=((0.3, 2),), mpmath=lambda x: -x * _mp().log(x),
      doc="-x*log(x), 0 at 0.")  # fmt: skip
binary("rel_entr", scipy_special("rel_entr"), lambda z, x, y: (_f("log", x / y) + 1, masked(x != 0, -x / y)),
       domain=((0.3, 2), (0.3, 2)), mpmath=lambda x, y: x * _mp().log(x / y), doc="x*log(x/y), 0 where x is 0.")  # fmt: skip


# ---- Lambert's W

def _lambert(branch: int, x: Any) -> Any:
    return SCALARS[f"lambertw{-branch}"].numpy(x)


elementwise("lambertw", None, lambda y, x: (_f("exp", -y) / (1 + y),), evaluate=_lambert, parametric=True,
            scalar=lambda args, x: Call(f"lambertw{-x.params[0]}", args),
            domain=((-0.3, -0.1),), mpmath=lambda k, x: _mp().lambertw(x, k).real, sympy="LambertW", latex="W",
            doc="Lambert's W, the solution w of w*exp(w) = x.")  # fmt: skip


@function("lambertw")
def lambertw(x: Any, k: int = 0) -> Expr:
    """The real solution w of ``w*exp(w) = x``: branch 0 (w >= -1) or -1 (w <= -1); NaN where there is none."""
    if k not in (0, -1):
        raise ArgumentError(f"lambertw: real values exist on the branches 0 and -1 only, got k={k!r}")
    operands, weak = unify([x], want_float=True)
    return apply("lambertw", operands, (int(k),), weak=weak)


__all__ = ["bessel", "family_function", "member", "order_of", "scipy_special"]
