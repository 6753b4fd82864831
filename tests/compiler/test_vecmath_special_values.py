"""Signed zeros, infinities, NaN and exact results, as C99 (annex F.9) says, in every lane."""

from __future__ import annotations

import math

import numpy as np
import pytest
from symgrad.compiler.llvm.vecmath import FUNCTIONS

from tests.compiler.vecmath_harness import apply
from tests.compiler.vecmath_reference import DTYPES, Array

INF, NAN, PI, LOG2 = math.inf, math.nan, math.pi, math.log(2)
BIG = {"f64": 1e308, "f32": 3e38}
SMALL = {"f64": 5e-324, "f32": 1e-45}

ODD_ZERO = [(0.0, 0.0), (-0.0, -0.0)]
UNARY: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, 0.0), (1000, INF), (-1000, 0.0)],
    "exp2": [(0.0, 1), (INF, INF), (-INF, 0.0), (10, 1024), (-3, 0.125), (2000, INF), (-2000, 0.0)],
    "expm1": [*ODD_ZERO, (INF, INF), (-INF, -1), (-1000, -1), (1000, INF)],
    "log": [(0.0, -INF), (-0.0, -INF), (1, 0.0), (INF, INF), (-1, NAN), (-INF, NAN)],
    "log2": [(0.0, -INF), (-0.0, -INF), (1, 0.0), (INF, INF), (-1, NAN), (8, 3), (0.25, -2), (2.0**-140, -140)],
    "log10": [(0.0, -INF), (-0.0, -INF), (1, 0.0), (INF, INF), (-1, NAN), (1000, 3), (1e10, 10)],
    "log1p": [*ODD_ZERO, (-1, -INF), (INF, INF), (-2, NAN), (-INF, NAN)],
    "sin": [*ODD_ZERO, (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1), (-0.0, 1), (INF, NAN), (-INF, NAN)],
    "tan": [*ODD_ZERO, (INF, NAN), (-INF, NAN)],
    "asin": [*ODD_ZERO, (1, PI / 2), (-1, -PI / 2), (2, NAN), (-INF, NAN)],
    "acos": [(1, 0.0), (-1, PI), (0.0, PI / 2), (2, NAN), (-2, NAN), (INF, NAN)],
    "atan": [*ODD_ZERO, (INF, PI / 2), (-INF, -PI / 2), (1, PI / 4)],
    "sinh": [*ODD_ZERO, (INF, INF), (-INF, -INF), (1000, INF)],
    "cosh": [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, INF), (-1000, INF)],
    "tanh": [*ODD_ZERO, (INF, 1), (-INF, -1), (1000, 1)],
    "sech_squared": [(0.0, 1), (-0.0, 1), (INF, 0.0), (-INF, 0.0), (1000, 0.0)],
    "asinh": [*ODD_ZERO, (INF, INF), (-INF, -INF)],
    "acosh": [(1, 0.0), (0.5, NAN), (-3, NAN), (INF, INF), (-INF, NAN)],
    "atanh": [*ODD_ZERO, (1, INF), (-1, -INF), (2, NAN), (INF, NAN)],
    "lambertw0": [*ODD_ZERO, (INF, INF), (-INF, NAN), (-1, NAN)],
    "lambertw1": [(0.0, -INF), (-0.0, -INF), (INF, NAN), (-INF, NAN), (-1, NAN), (1, NAN)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0.0), (-1000, 0.0), (1000, 1)],
    "softplus": [(0.0, LOG2), (INF, INF), (-INF, 0.0), (1000, 1000), (-1000, 0.0)],
    "logsigmoid": [(0.0, -LOG2), (INF, -0.0), (-INF, -INF), (-1000, -1000), (1000, -0.0)],
    "erf": [*ODD_ZERO, (INF, 1), (-INF, -1)],
    "erfc": [(0.0, 1), (-0.0, 1), (INF, 0.0), (-INF, 2), (30, 0.0), (-30, 2)],
    "cbrt": [*ODD_ZERO, (INF, INF), (-INF, -INF), (27, 3), (-0.125, -0.5)],
    "gammaln": [(0.0, INF), (-0.0, INF), (1, 0.0), (2, 0.0), (-1, INF), (-2, INF), (INF, INF), (-INF, INF)],
    "erfcx": [(0.0, 1), (-0.0, 1), (INF, 0.0), (-INF, INF), (-30, INF)],
    "ndtr": [(0.0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0.0), (50, 1), (-50, 0.0)],
    "log_ndtr": [(0.0, -LOG2), (INF, -0.0), (-INF, -INF), (50, -0.0)],
    "erfinv": [*ODD_ZERO, (1, INF), (-1, -INF), (1.5, NAN), (-2, NAN), (INF, NAN)],
    "erfcinv": [(0.0, INF), (2, -INF), (1, 0.0), (2.5, NAN), (-1, NAN), (INF, NAN), (-INF, NAN)],
    "ndtri": [(0.0, -INF), (1, INF), (0.5, 0.0), (1.5, NAN), (-1, NAN), (INF, NAN), (-INF, NAN)],
    "i0e": [(0.0, 1), (-0.0, 1), (INF, 0.0), (-INF, 0.0)],
    "i1e": [*ODD_ZERO, (INF, 0.0), (-INF, -0.0)],
    "expm1_over_x": [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, 0.0), (-1000, 0.001), (1e-30, 1)],
    "log1p_over_x": [(0.0, 1), (-0.0, 1), (-1, INF), (INF, 0.0), (-2, NAN), (-INF, NAN), (1e-30, 1)],
    "sin_over_x": [(0.0, 1), (-0.0, 1), (INF, NAN), (-INF, NAN), (1e-30, 1)],
    "one_minus_cos_over_x2": [(0.0, 0.5), (-0.0, 0.5), (INF, NAN), (-INF, NAN), (1e-30, 0.5)],
    "digamma": [(0.0, -INF), (-0.0, INF), (-1, NAN), (INF, INF), (-INF, NAN)],
}
BINARY: dict[str, list[tuple[float, float, float]]] = {
    "zeta": [(2, 0.0, INF), (2, -3, INF), (3, -3, INF), (1, 2, INF), (0.5, 2, NAN), (2.5, -0.5, NAN), (2, INF, 0.0),
             (NAN, 1, NAN), (2, NAN, NAN), (INF, 2, NAN), (2, -INF, INF)],
    "erfcx_derivative": [(1, NAN, NAN), (1, 0.0, -2 / PI**0.5), (2, 0.0, 2)],
    "pow": [
        *[(x, 0.0, 1.0) for x in (0.0, -0.0, 1, -1, INF, -INF, NAN)],
        *[(x, -0.0, 1.0) for x in (0.0, NAN, INF)],
        *[(1.0, y, 1.0) for y in (NAN, INF, -INF, 3)],
        *[(-1.0, y, 1.0) for y in (INF, -INF, 2)],
        *[(0.0, -3, INF), (-0.0, -3, -INF), (0.0, -2, INF), (-0.0, -2, INF), (0.0, -0.5, INF), (-0.0, -0.5, INF)],
        *[(0.0, 3, 0.0), (-0.0, 3, -0.0), (-0.0, 2, 0.0), (-0.0, 0.5, 0.0), (0.0, INF, 0.0), (-0.0, -INF, INF)],
        *[(0.5, INF, 0.0), (0.5, -INF, INF), (2, INF, INF), (2, -INF, 0.0), (-2, INF, INF), (-0.5, INF, 0.0)],
        *[(-INF, -3, -0.0), (-INF, -2, 0.0), (-INF, 3, -INF), (-INF, 2, INF), (-INF, 0.5, INF), (-INF, -0.5, 0.0)],
        *[(INF, -1, 0.0), (INF, 0.5, INF), (INF, NAN, NAN), (NAN, 1, NAN), (2, NAN, NAN)],
        *[(-2, 0.5, NAN), (-2, 3, -8), (-2, 2, 4), (2, 10, 1024), (10, 5, 100000), (3, -1, 1 / 3), (-1, 1e30, 1)],
        *[(2, 5000, INF), (2, -5000, 0.0), (-2, 5001, -INF), (-2, -5001, -0.0), (9, 0.5, 3)],
    ],
    "atan2": [
        *[(0.0, 1, 0.0), (-0.0, 1, -0.0), (0.0, -1, PI), (-0.0, -1, -PI), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0)],
        *[(0.0, -0.0, PI), (-0.0, -0.0, -PI), (1, 0.0, PI / 2), (1, -0.0, PI / 2), (-1, 0.0, -PI / 2)],
        *[(1, INF, 0.0), (-1, INF, -0.0), (1, -INF, PI), (-1, -INF, -PI), (INF, 1, PI / 2), (-INF, -1, -PI / 2)],
        *[(INF, INF, PI / 4), (INF, -INF, 3 * PI / 4), (-INF, INF, -PI / 4), (-INF, -INF, -3 * PI / 4)],
        *[(NAN, 1, NAN), (1, NAN, NAN), (1, 1, PI / 4), (-1, -1, -3 * PI / 4)],
    ],
    "hypot": [
        *[(INF, NAN, INF), (NAN, -INF, INF), (-INF, 1, INF), (NAN, 1, NAN), (1, NAN, NAN), (0.0, -0.0, 0.0)],
        *[(3, -4, 5), (-0.0, -7, 7), (5, 0.0, 5)],
    ],
    "logaddexp": [
        *[(INF, INF, INF), (-INF, -INF, -INF), (INF, -INF, INF), (-INF, 3, 3), (3, -INF, 3), (INF, 1, INF)],
        *[(NAN, 1, NAN), (INF, NAN, NAN), (0.0, 0.0, LOG2), (1000, 0.0, 1000), (-1e30, 1e30, 1e30)],
    ],
}


def same(got: Array, expected: Array) -> Array:
    """Equal to the last bit or NaN both, with the sign of zeros."""
    agree: Array = (np.isnan(got) & np.isnan(expected)) | (
        (got == expected) & (np.signbit(got) == np.signbit(expected))
    )
    return agree


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str, dtype: str, lanes: int) -> None:
    table = [*UNARY[name], (NAN, NAN)] if name in UNARY else BINARY[name]
    columns = [np.array(column).astype(DTYPES[dtype]) for column in zip(*table, strict=True)]
    got = apply(name, dtype, lanes, *columns[:-1])
    wrong = ~same(got, columns[-1])
    assert not wrong.any(), [(row, y) for row, y, bad in zip(table, got, wrong, strict=True) if bad]


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", ["sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "expm1", "log1p"])
def test_tiny_arguments_are_their_own_values(name: str, dtype: str) -> None:
    x = np.array([SMALL[dtype], -SMALL[dtype], np.finfo(DTYPES[dtype]).tiny], DTYPES[dtype])
    np.testing.assert_array_equal(apply(name, dtype, 8, x), x)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_nothing_overflows_on_the_way(dtype: str) -> None:
    big, small = np.array([BIG[dtype]], DTYPES[dtype]), np.array([SMALL[dtype]], DTYPES[dtype])
    wide = np.longdouble(big[0])
    np.testing.assert_array_equal(
        apply("hypot", dtype, 8, big * 0.5, big * 0.5), (wide * 0.5 * np.sqrt(np.longdouble(2))).astype(big.dtype)
    )
    np.testing.assert_array_equal(apply("hypot", dtype, 8, small, small * 0), small)
    np.testing.assert_array_equal(apply("atan2", dtype, 8, big, big), np.array([PI / 4], big.dtype))
    np.testing.assert_array_equal(apply("atan2", dtype, 8, small, small), np.array([PI / 4], big.dtype))
    np.testing.assert_allclose(apply("asinh", dtype, 8, big), np.arcsinh(big), rtol=1e-6)
    np.testing.assert_allclose(apply("log1p", dtype, 8, big), np.log(big), rtol=1e-6)
    np.testing.assert_allclose(apply("logaddexp", dtype, 8, big, -big), big)
    np.testing.assert_allclose(apply("log_ndtr", dtype, 8, -np.sqrt(big) * 1.2), big * -0.72, rtol=1e-6)


def test_integer_powers_are_exact() -> None:
    x, y = (v.ravel().astype(float) for v in np.meshgrid(np.arange(-12, 13), np.arange(0, 13)))
    np.testing.assert_array_equal(
        apply("pow", "f64", 8, x, y), [float(int(a) ** int(b)) for a, b in zip(x, y, strict=True)]
    )


def test_powers_of_ten_and_two_have_whole_logarithms() -> None:
    n = np.arange(0, 23)
    np.testing.assert_array_equal(apply("log10", "f64", 8, 10.0**n), n)
    k = np.arange(-1074, 1024)
    np.testing.assert_array_equal(apply("log2", "f64", 8, np.ldexp(1.0, k)), k)
    np.testing.assert_array_equal(apply("exp2", "f64", 8, k.astype(float)), np.ldexp(1.0, k))


def test_one_bad_lane_leaves_the_others_alone() -> None:
    for name in FUNCTIONS:
        xs = [np.full(8, 0.75) for _ in range(FUNCTIONS[name])]
        usual = apply(name, "f64", 8, *xs)
        for bad in (NAN, INF, -1e300, 5e-324):
            for x in xs:
                x[3] = bad
            np.testing.assert_array_equal(np.delete(apply(name, "f64", 8, *xs), 3), np.delete(usual, 3))
