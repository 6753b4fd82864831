"""The families with a removable singularity, at and near it, orders 0 to 4, against their integrals in mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from symgrad.build import tensor
from symgrad.expression import FUNCTIONS
from symgrad.graph import OPS
from tests.ops.harness import compiled_meaning, jacobian, number

ENTIRE = [
    0.0,
    1e-300,
    -1e-300,
    1e-9,
    -1e-5,
    1e-3,
    0.1,
    -0.3,
    0.7,
    1.3,
    -1.6,
    2.4,
    -3.1,
    4.6,
    -5.4,
    6.2,
    9.5,
    -20.0,
    40.0,
]
LOGARITHMIC = [0.0, 1e-300, -1e-12, 1e-6, 1e-3, -0.1, 0.3, -0.59, -0.61, 0.9, 1.99, 2.01, 3.0, 50.0, -0.9, -0.999]
# The derivative of order n under the integral over [0, 1]; mpmath's quadrature does not cancel.
INTEGRAND: dict[str, Callable[[int, Any, Any], Any]] = {
    "sinxx": lambda n, x, t: t**n * mpmath.cos(x * t + n * mpmath.pi / 2),
    "sinhxx": lambda n, x, t: t**n * (mpmath.cosh if n % 2 == 0 else mpmath.sinh)(x * t),
    "xmsinxxx": lambda n, x, t: (1 - t) ** 2 / 2 * t**n * mpmath.cos(x * t + n * mpmath.pi / 2),
    "sinhmxxx": lambda n, x, t: (1 - t) ** 2 / 2 * t**n * (mpmath.cosh if n % 2 == 0 else mpmath.sinh)(x * t),
    "sinmxcosxxx": lambda n, x, t: (1 - t**2) / 2 * t**n * mpmath.cos(x * t + n * mpmath.pi / 2),
    "xcoshmsinhxxx": lambda n, x, t: (1 - t**2) / 2 * t**n * (mpmath.cosh if n % 2 == 0 else mpmath.sinh)(x * t),
    "expm1xx": lambda n, x, t: t**n * mpmath.exp(x * t),
    "expm1mxxx": lambda n, x, t: (1 - t) * t**n * mpmath.exp(x * t),
    "log1pxx": lambda n, x, t: (-t) ** n * mpmath.factorial(n) / (1 + x * t) ** (n + 1),
    "xmlog1pxx": lambda n, x, t: t * (-t) ** n * mpmath.factorial(n) / (1 + x * t) ** (n + 1),
}


def expected(name: str, n: int, x: float) -> float:
    with mpmath.workdps(22):
        z = mpmath.mpf(x)
        pieces = [0, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 0.9, 0.99, 1] if "log" in name else [0, 0.5, 1]
        return float(mpmath.quad(lambda t: INTEGRAND[name](n, z, t), pieces, method="gauss-legendre"))


@pytest.mark.parametrize("order", [0, 1, 4])
@pytest.mark.parametrize("name", INTEGRAND)
def test_near_the_singularity(name: str, order: int) -> None:
    x = tensor("x", "n")
    points = np.array(LOGARITHMIC if "log" in name else ENTIRE)
    root = FUNCTIONS[name](x, order)
    (found,) = number([root], [x], [points], {"n": len(points)})
    exact = np.array([expected(name, order, p) for p in points])
    # Relative to the size of the function around the point, where it does not cross zero by itself.
    scale = np.maximum(np.abs(exact), 1e-2 / (1 + np.abs(points)) if name in ("sinxx", "xmsinxxx", "sinmxcosxxx") else 0)
    np.testing.assert_array_less(np.abs(found - exact), 6e-15 * (1 + order) * scale + 1e-300)
    np.testing.assert_array_equal(compiled_meaning(root, [x], [points], {"n": len(points)}), found)


NUMERATOR = {"tanhxx": mpmath.tanh, "arctanxx": mpmath.atan, "arcsinxx": mpmath.asin}
OVER_EXPM1 = [0.0, 1e-300, -1e-9, 1e-3, 0.4, -1.7, 2.99, 3.01, -2.99, -3.01, 9.0, -9.0, 60.0, -60.0, 690.0, 720.0, -800.0, 1e5, -1e5]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("name", NUMERATOR)
def test_where_the_series_ends(name: str, order: int) -> None:
    """Families whose series converges only near 0, there and on both sides of its end, against mpmath."""
    small = [0.0, 1e-300, -1e-9, 1e-3, 0.1, -0.3, 0.59, -0.61, 0.79, 0.81, -0.95]
    points = np.array(small + ([] if name == "arcsinxx" else [1.3, -2.4, 20.0, -400.0, 1e5]))
    x = tensor("x", "n")
    root = FUNCTIONS[name](x, order)
    (found,) = number([root], [x], [points], {"n": len(points)})
    with mpmath.workdps(60):
        exact = [mpmath.diff(lambda z: NUMERATOR[name](z) / z if z else mpmath.mpf(1), p, order) for p in points]
        # Next to 0 odd orders are the next derivative times x.
        exact = [e if abs(p) > 1e-20 or order % 2 == 0 else p * mpmath.diff(
            lambda z: NUMERATOR[name](z) / z if z else mpmath.mpf(1), 0, order + 1) for e, p in zip(exact, points, strict=True)]
    sizes = np.abs(np.array(exact, np.float64))
    scale = np.maximum(sizes, 0.1 * (np.abs(points) < 2) * (order == 2))
    np.testing.assert_array_less(np.abs(found - np.array(exact, np.float64)), 4e-15 * 4**order * scale + 1e-300)
    np.testing.assert_allclose(compiled_meaning(root, [x], [points], {"n": len(points)}), found, rtol=1e-15 * 10**order)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_over_expm1(order: int) -> None:
    """x/expm1(x) beside the end of its series, and where expm1 overflows."""
    x = tensor("x", "n")
    points = np.array(OVER_EXPM1)
    (found,) = number([FUNCTIONS["xexpm1"](x, order)], [x], [points], {"n": len(points)})
    for p, value in zip(OVER_EXPM1, found, strict=True):
        with mpmath.workdps(60 + int(min(abs(p), 2000))):
            z = mpmath.mpf(p)
            at = z if abs(z) > 1e-20 else mpmath.mpf(0)
            exact = mpmath.diff(lambda t: t / mpmath.expm1(t) if t else mpmath.mpf(1), at, order, h=mpmath.mpf(10) ** -12)
            assert abs(value - exact) <= 4e-15 * 4**order * max(abs(exact), 1e-20 if order == 3 else 0) + 1e-306, p


@pytest.mark.parametrize(
    ("name", "low"), [("cosxx", 1 / 12), ("coshxx", -1 / 12), ("tanxx", -2 / 3), ("tanhxx", 2 / 3)]
)
def test_composites_have_their_second_derivative_at_zero(name: str, low: float) -> None:
    x = tensor("x")
    second = jacobian(jacobian(FUNCTIONS[name](x), x), x)
    for point in (0.0, 1e-9):
        (found,) = number([second], [x], [np.float64(point)], {})
        np.testing.assert_allclose(found, -low, rtol=1e-8)


def test_every_family_is_here() -> None:
    families = {op.name for op in OPS.values() if op.evaluate.__module__ == "symgrad.ops.removable"}
    assert families == set(INTEGRAND) | set(NUMERATOR) | {"xexpm1"}
