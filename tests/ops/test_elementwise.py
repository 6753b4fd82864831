"""Every elementwise row: value and derivatives up to order 3 against mpmath, compiled meaning, float32,
broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
from symgrad.compiler.types import ArrayType, is_float

from symgrad import differentiation
from symgrad.build import tensor
from symgrad.errors import NotDifferentiable
from symgrad.expression import Expr, apply
from symgrad.graph import OPS, Op
from tests.ops.harness import close, compiled_meaning, forward_jacobian, generator, jacobian, number

ELEMENTWISE = [op for op in OPS.values() if op.mpmath is not None]
DIFFERENTIABLE = [op for op in ELEMENTWISE if op.partials is not None
                  and is_float(op.infer([ArrayType("f64")] * len(op.domain), ()).dtype)]  # fmt: skip
SAMPLES = 3
# Operations with parameters: those they are tested with; mpmath's meaning takes them first.
PARAMS: dict[str, tuple[int, ...]] = {
    "polygamma": (1,), "jv": (1,), "yv": (0,), "iv": (2,), "ive": (1,), "kv": (1,), "kve": (2,), "erfcx_derivative": (2,), "lambertw": (-1,),
    **dict.fromkeys(("sinxx", "sinhxx", "xmsinxxx", "expm1xx", "log1pxx", "xmlog1pxx"), (0,)),
    **dict.fromkeys(("sinhmxxx", "sinmxcosxxx", "xcoshmsinhxxx", "expm1mxxx", "tanhxx", "arctanxx", "arcsinxx", "xexpm1"), (0,)),
}  # fmt: skip


FURTHER = {"mod": [(2.5, 0.7), (-1.3, 0.4)]}
"""Points outside the domain that is sampled, where more of a rule shows."""


BY_THE_LAST = ("zeta", "gammainc", "gammaincc", "betainc")
"""Functions that have a derivative by their last operand alone."""


def refused(op: Op, index: tuple[int, ...]) -> bool:
    return op.name in BY_THE_LAST and any(k < len(op.domain) - 1 for k in index)


def ids(op: Op) -> str:
    return op.name


def exact(op: Op) -> Callable[..., Any]:
    """The operation in mpmath."""
    meaning = getattr(mpmath, op.mpmath) if isinstance(op.mpmath, str) else op.mpmath
    return partial(meaning, *PARAMS.get(op.name, ()))


def applied(op: Op, xs: list[Expr]) -> Expr:
    return apply(op, xs, PARAMS.get(op.name, ()))


def points(op: Op, count: int = SAMPLES) -> list[tuple[float, ...]]:
    rng = generator(op.name)
    assert op.domain, f"{op.name}: say where it is sampled"
    sampled = [tuple(float(rng.uniform(low, high)) for low, high in op.domain) for _ in range(count)]
    return [*sampled, *FURTHER.get(op.name, [])]


def symbols(op: Op, shapes: tuple[str, ...] | None = None, dtype: str = "f64") -> list[Expr]:
    return [tensor(f"x{k}", (shapes or ("",) * len(op.domain))[k], dtype) for k in range(len(op.domain))]


@pytest.mark.parametrize("op", ELEMENTWISE, ids=ids)
def test_value(op: Op) -> None:
    xs = symbols(op)
    y = applied(op, xs)
    for point in points(op, 20):
        (found,) = number([y], xs, [np.float64(p) for p in point], {})
        with mpmath.workdps(40):
            expected = exact(op)(*map(mpmath.mpf, point))
        np.testing.assert_allclose(float(found), float(expected), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=ids)
def test_derivatives(op: Op, order: int) -> None:
    xs = symbols(op)
    y = applied(op, xs)
    for index in product(range(len(xs)), repeat=order):
        if list(index) != sorted(index) or refused(op, index):
            continue
        root = y
        for k in index:
            root = jacobian(root, xs[k])
        counts = tuple(index.count(k) for k in range(len(xs)))
        for point in points(op):
            (found,) = number([root], xs, [np.float64(p) for p in point], {})
            with mpmath.workdps(60):
                where = tuple(map(mpmath.mpf, point))
                expected = float(
                    mpmath.diff(exact(op), where if len(xs) > 1 else where[0], counts if len(xs) > 1 else order)
                )
            np.testing.assert_allclose(
                float(found), expected, rtol=1e-12, atol=1e-13, err_msg=f"{op.name}{point} {counts}"
            )


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=ids)
def test_cotangents_are_multiplied(op: Op) -> None:
    """The gradient of a multiple is the multiple of the gradient."""
    xs, w = symbols(op), tensor("w", "")
    y = applied(op, xs)
    for k, x in enumerate(xs):
        if refused(op, (k,)):
            continue
        for point in points(op):
            arrays = [*map(np.float64, point), np.float64(3.5)]
            plain, scaled = number([jacobian(y, x), jacobian(y * w, x)], [*xs, w], arrays, {})
            np.testing.assert_allclose(scaled, 3.5 * plain, rtol=1e-13)


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=ids)
def test_forward_is_reverse(op: Op) -> None:
    """Both sweeps, on arrays that broadcast, first and second order, interpreted and through the index language."""
    shapes = ("3,1", "4", "")[: len(op.domain)]
    xs = symbols(op, shapes)
    rng = generator(op.name)
    arrays = [rng.uniform(low, high, tuple(x.type.shape)) for x, (low, high) in zip(xs, op.domain, strict=True)]
    y = applied(op, xs)
    for k, x in enumerate(xs):
        if refused(op, (k,)):
            with pytest.raises(NotDifferentiable, match="only by"):
                jacobian(y, x)
            with pytest.raises(NotDifferentiable, match="only by"):
                forward_jacobian(y, x)
            continue
        reverse, forward = jacobian(y, x), forward_jacobian(y, x)
        if forward is None:
            assert not number([reverse], xs, arrays, {})[0].any()
            continue
        assert reverse.type.shape == y.type.shape + x.type.shape
        assert forward.type.shape == x.type.shape + y.type.shape
        a, b = number([reverse, forward], xs, arrays, {})
        close(np.moveaxis(b, range(x.ndim), range(-x.ndim, 0)), a, 1e-13)
        close(compiled_meaning(reverse, xs, arrays, {}), a, 1e-13)
        assert number([differentiation.jacobian(reverse.node, [x.node])[0]], xs, arrays, {})[0].shape == (
            *a.shape, *arrays[k].shape), k  # fmt: skip


@pytest.mark.parametrize("op", ELEMENTWISE, ids=ids)
def test_compiled_meaning_and_float32(op: Op) -> None:
    for dtype, tolerance in (("f64", 1e-14), ("f32", 1e-5)):
        drawn = points(op, 5)
        xs = symbols(op, (str(len(drawn)),) * len(op.domain), dtype)
        arrays = [
            np.array([p[k] for p in drawn]).astype(np.float64 if dtype == "f64" else np.float32)
            for k in range(len(xs))
        ]
        y = applied(op, xs)
        (found,) = number([y], xs, arrays, {})
        if y.dtype in ("f32", "f64"):
            assert found.dtype == (np.float64 if dtype == "f64" else np.float32)
            with mpmath.workdps(50):
                expected = [float(exact(op)(*map(mpmath.mpf, map(float, p)))) for p in zip(*arrays, strict=True)]
            close(found, expected, tolerance)
        close(compiled_meaning(y, xs, arrays, {}), found, tolerance)


@pytest.mark.parametrize("op", ELEMENTWISE, ids=ids)
def test_empty(op: Op) -> None:
    xs = symbols(op, ("0",) * len(op.domain))
    y = applied(op, xs)
    (found,) = number([y], xs, [np.zeros(0)] * len(xs), {})
    assert found.shape == (0,)
