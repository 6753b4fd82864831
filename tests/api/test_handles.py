"""Compiled functions as C functions: ctypes, SciPy's low-level callables, Numba."""

from __future__ import annotations

import ctypes
import gc
import threading
from typing import Any

import numpy as np
import pytest
import scipy
import scipy.integrate
import scipy.ndimage
import scipy.special

import symgrad as sg
from symgrad.errors import ArgumentError

X = np.array([0.5, -1.0, 2.0])
M = np.arange(9.0).reshape(3, 3)


def pointer(a: Any) -> Any:
    kinds = {"f": ctypes.c_float, "d": ctypes.c_double, "l": ctypes.c_int64, "?": ctypes.c_uint8}
    return a.ctypes.data_as(ctypes.POINTER(kinds[a.dtype.char]))


# Formula, types, prototype, arguments, value.
RETURNED: list[tuple[str, dict[str, str], str, tuple[Any, ...], float]] = [
    ("sin(x)", {"x": ""}, "double (double x)", (0.5,), np.sin(0.5)),
    ("x*y + 1", {"x": "", "y": ""}, "double (double x, double y)", (2.0, 3.0), 7.0),
    ("2*x", {"x": "f32"}, "float (float x)", (1.5,), 3.0),
    ("a*sum(x)", {"a": "", "x": "3"}, "double (double a, const double *x)", (2.0, X), 3.0),
    ("x' @ A @ x", {"x": "3", "A": "3,3"}, "double (const double *x, const double *A)", (X, M), X @ M @ X),
    ("x[k]", {"x": "3", "k": "i64"}, "double (const double *x, int64_t k)", (X, 2), 2.0),
]


@pytest.mark.parametrize(("text", "types", "prototype", "args", "expected"), RETURNED, ids=lambda v: str(v)[:30])
def test_scalars_are_returned(
    text: str, types: dict[str, str], prototype: str, args: tuple[Any, ...], expected: float
) -> None:
    f = sg.compile(sg.parse(text, **types))
    assert f.prototype == prototype
    given = [pointer(a) if isinstance(a, np.ndarray) else a for a in args]
    assert f.ctypes(*given) == pytest.approx(expected, rel=1e-14)


def test_results_are_written() -> None:
    f = sg.compile(sg.parse("sum(exp(x)) * a", x="3", a=""), wrt="x").value_and_grad
    assert f.prototype == "int64_t (const double *x, double a, double *out0, double *out1)"
    value, gradient = np.empty(1), np.empty(3)
    assert f.ctypes(pointer(X), 2.0, pointer(value), pointer(gradient)) == 0
    np.testing.assert_allclose(value, 2 * np.exp(X).sum(), rtol=1e-14)
    np.testing.assert_allclose(gradient, 2 * np.exp(X), rtol=1e-14)


def test_the_same_result_twice() -> None:
    x = sg.vector("x", 3)
    f = sg.compile([2 * x, 2 * x, x], inputs=[x])
    out = np.empty((3, 3))
    assert f.ctypes(pointer(X), *map(pointer, out)) == 0
    np.testing.assert_array_equal(out, [2 * X, 2 * X, X])


def test_large_temporaries_and_constants() -> None:
    C = np.random.default_rng(0).normal(size=(80, 80))
    f = sg.compile(sg.from_function(lambda x: np.sum(np.tanh(C @ np.tanh(C @ x))), x="80"), threads=1)
    x = np.linspace(-1, 1, 80)
    assert f.ctypes(pointer(x)) == pytest.approx(np.sum(np.tanh(C @ np.tanh(C @ x))), rel=1e-12)


def test_an_index_out_of_range() -> None:
    f = sg.compile(sg.parse("x[k]", x="3", k="i64"))
    assert np.isnan(f.ctypes(pointer(X), 3))
    g = sg.compile(sg.parse("x[k]*x", x="3", k="i64"))
    assert g.ctypes(pointer(X), 3, pointer(np.empty(3))) == 1


@pytest.mark.parametrize(
    ("text", "types", "message"),
    [
        ("sum(x)", {"x": "n"}, "address: a C function has arrays of fixed sizes, and n may be anything"),
    ],
)
def test_what_has_no_address(text: str, types: dict[str, str], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        _ = sg.compile(sg.parse(text, **types)).address


def test_the_address() -> None:
    f = sg.compile(sg.parse("x**3", x=""))
    assert isinstance(f.address, int) and f.address == f.address
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(f.address)(2.0) == 8.0


def test_code_lives_as_long_as_its_callers() -> None:
    called = sg.compile(sg.parse("x**3 + 1", x="")).ctypes
    low = sg.compile(sg.parse("x**3 + 2", x="")).lowlevel()
    gc.collect()
    assert called(2.0) == 9.0
    assert scipy.integrate.quad(low, 0, 1)[0] == pytest.approx(2.25)


def test_threads_call_at_once() -> None:
    f = sg.compile(sg.parse("sum(sin(x))", x="1000"), threads=1)
    call, data = f.ctypes, [np.linspace(k, k + 1, 1000) for k in range(4)]
    found: dict[int, set[float]] = {k: set() for k in range(4)}
    threads = [
        threading.Thread(target=lambda k=k: found[k].update(call(pointer(data[k])) for _ in range(300)))
        for k in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, x in enumerate(data):
        (value,) = found[k]
        assert value == pytest.approx(np.sin(x).sum(), rel=1e-13)


# ---- SciPy


def test_quad() -> None:
    f = sg.compile(sg.parse("exp(-x**2)", x="")).lowlevel()
    assert scipy.integrate.quad(f, 0, 1)[0] == pytest.approx(np.sqrt(np.pi) / 2 * scipy.special.erf(1), rel=1e-12)


def test_quad_with_parameters() -> None:
    f = sg.compile(sg.parse("a*x**b", x="", a="", b=""), inputs=["x", "a", "b"]).lowlevel()
    assert scipy.integrate.quad(f, 0, 2, args=(3.0, 2.0))[0] == pytest.approx(8.0, rel=1e-12)


def test_quad_of_a_derivative() -> None:
    f = sg.compile(sg.parse("sin(x**2)", x=""), wrt="x")
    assert scipy.integrate.quad(f.grad.lowlevel(), 0, 1)[0] == pytest.approx(np.sin(1), rel=1e-12)


def test_nquad() -> None:
    f = sg.compile(sg.parse("x*y**2", x="", y="")).lowlevel()
    assert scipy.integrate.nquad(f, [[0, 1], [0, 3]])[0] == pytest.approx(4.5, rel=1e-12)


def test_nquad_of_a_vector() -> None:
    f = sg.compile(sg.parse("x[0]*x[1]**2", x="2")).lowlevel("double (int, double *)")
    assert scipy.integrate.nquad(f, [[0, 1], [0, 3]])[0] == pytest.approx(4.5, rel=1e-12)


def test_generic_filter() -> None:
    image = np.random.default_rng(1).normal(size=(12, 15))
    f = sg.compile(sg.parse("sqrt(sum(x**2)) - max(x)", x="9")).lowlevel()
    found = scipy.ndimage.generic_filter(image, f, size=3)
    expected = scipy.ndimage.generic_filter(image, lambda x: np.sqrt(np.sum(x**2)) - np.max(x), size=3)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_generic_filter_of_another_size() -> None:
    f = sg.compile(sg.parse("sum(x)", x="4")).lowlevel()
    with pytest.raises(RuntimeError):
        scipy.ndimage.generic_filter(np.ones((4, 4)), f, size=3)


@pytest.mark.parametrize(
    ("text", "types", "signature"),
    [
        ("2*x", {"x": "3"}, None),
        ("x*y", {"x": "", "y": ""}, "double (double)"),
        ("sum(x)", {"x": "3"}, "double (double)"),
        ("2*x", {"x": "f32"}, None),
        ("a*sum(x)", {"a": "", "x": "3"}, None),
    ],
)
def test_what_scipy_cannot_call(text: str, types: dict[str, str], signature: str | None) -> None:
    with pytest.raises(ArgumentError, match="lowlevel: "):
        sg.compile(sg.parse(text, **types)).lowlevel(signature)


# ---- Numba


def test_numba() -> None:
    numba = pytest.importorskip("numba")
    call = sg.compile(sg.parse("x**2 + y", x="", y="")).ctypes

    @numba.njit  # type: ignore[untyped-decorator]
    def total(n: int) -> float:
        result = 0.0
        for k in range(n):
            result += call(float(k), 1.0)
        return result

    assert total(10) == sum(k**2 + 1 for k in range(10))
