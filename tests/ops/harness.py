"""What every test of the operation table needs: rows, sampling, numbers of expressions, numerical derivatives,
lowering.

The numerical derivatives are Richardson-extrapolated central differences of NumPy's value (order 1) or of the symbolic
first derivative (order 2), so no rule is compared with itself.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.types import DTYPES, evaluate
from symgrad.compiler.verify import verify

import symgrad.ops  # noqa: F401  (fills the tables)
from symgrad import differentiation, interpreter
from symgrad.build import tensor
from symgrad.conditions import counted
from symgrad.expression import Expr
from symgrad.graph import Node
from symgrad.lowering import expand, lower

Sample = tuple[float, float] | str | Callable[[np.random.Generator, tuple[int, ...]], Any]
SIZES = {"m": 3, "n": 4, "k": 2, "b": 2}


@dataclass(frozen=True)
class Row:
    """One test row: a formula over symbols, what NumPy or SciPy says it is, and where to sample.

    `build` takes the symbols in the order of `shapes`, `numpy` the arrays.  A sample is an interval, ``"int"`` (0, 1,
    2), ``"spd"``, ``"square"`` (well-conditioned), ``"bool"``, ``"away"`` (from 0), or a function of a generator and a
    shape.  `wrt` names the symbols to differentiate (all floats by default); `orders` says how many orders have a
    derivative.  `empty` says whether sizes 0 are tried.
    """

    name: str
    shapes: Mapping[str, str]
    build: Callable[..., Expr]
    numpy: Callable[..., Any]
    samples: Mapping[str, Sample] = field(default_factory=dict)
    wrt: tuple[str, ...] | None = None
    orders: int = 2
    empty: bool = True
    f32: bool = True
    sizes: Mapping[str, int] = field(default_factory=lambda: SIZES)
    tolerance: float = 1e-12
    covers: tuple[str, ...] = ()
    """Further functions that this row tests."""

    def symbols(self, dtype: str | None = None) -> list[Expr]:
        return [tensor(name, _with_dtype(shape, dtype)) for name, shape in self.shapes.items()]

    def differentiable(self) -> list[str]:
        return (
            list(self.wrt)
            if self.wrt is not None
            else [n for n, s in self.shapes.items() if "i64" not in s and "bool" not in s]
        )


def _with_dtype(shape: str, dtype: str | None) -> str:
    return shape if dtype is None or re.match(r"(i64|bool|f32|f64)\b", shape) else f"{dtype}[{shape}]"


def generator(name: str) -> np.random.Generator:
    """A generator that depends on the row alone."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def sampled(x: Expr, sample: Sample, rng: np.random.Generator, sizes: Mapping[str, int]) -> Any:
    """Random numbers of the type of symbol `x`."""
    shape = tuple(evaluate(n, sizes) for n in x.type.shape)
    dtype = DTYPES[x.dtype]
    if callable(sample):
        return np.asarray(sample(rng, shape), dtype)
    if sample == "int" or (x.dtype == "i64" and sample == (-2.0, 2.0)):
        return rng.integers(0, 3, shape)
    if sample == "bool" or x.dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if sample == "away":
        return (rng.uniform(0.3, 2, shape) * rng.choice([-1, 1], shape)).astype(dtype)
    if sample in ("spd", "square"):
        raw = rng.uniform(-1, 1, shape)
        eye = np.eye(shape[-1])
        return ((raw @ np.swapaxes(raw, -1, -2) + eye) if sample == "spd" else raw + 2 * eye).astype(dtype)
    low, high = sample
    return np.asarray(rng.uniform(low, high, shape), dtype)


def values(row: Row, symbols: Sequence[Expr], sizes: Mapping[str, int] | None = None) -> list[Any]:
    """Random values of the symbols of a row."""
    rng = generator(row.name)
    return [sampled(x, row.samples.get(name, (-2.0, 2.0)), rng, sizes or row.sizes)
            for name, x in zip(row.shapes, symbols, strict=True)]  # fmt: skip


def number(
    roots: Sequence[Expr], symbols: Sequence[Expr], arrays: Sequence[Any], sizes: Mapping[str, int]
) -> list[Any]:
    """The interpreter's values of `roots`."""
    known = {x.node: a for x, a in zip(symbols, arrays, strict=True)}
    return interpreter.run([r.node for r in roots], known, with_counts([r.node for r in roots], known, sizes))


def with_counts(roots: Sequence[Node], known: Mapping[Node, Any], sizes: Mapping[str, int]) -> dict[str, int]:
    """`sizes` and those that only the values tell."""
    numbers = dict(sizes)
    for name, mask in counted(roots):
        numbers[name] = int(np.count_nonzero(interpreter.run([mask], known, numbers)[0]))
    return numbers


def compiled_meaning(root: Expr, symbols: Sequence[Expr], arrays: Sequence[Any], sizes: Mapping[str, int]) -> Any:
    """The value of `root` through the index language and its interpreter."""
    made = lower(expand([root.node]), [x.node for x in symbols])
    verify(made.program)
    known = {x.node: a for x, a in zip(symbols, arrays, strict=True)}
    return interpret(made.program, *arrays, *made.constants, sizes=with_counts([root.node], known, sizes))[0]


def differences(f: Callable[[Any], Any], x: Any, along: Any, step: float = 0.02) -> Any:
    """The derivative of `f` at `x` along a direction.  Error about step**8 and eps/step."""
    x = np.asarray(x, np.float64)
    estimates = []
    for level in range(4):
        h = step / 2**level
        up, down = (np.asarray(f(x + sign * h * along), np.float64) for sign in (1, -1))
        estimates.append((up - down) / (2 * h))
    for order in range(1, 4):
        estimates = [(4**order * b - a) / (4**order - 1) for a, b in pairwise(estimates)]
    return estimates[0]


def contracted(derivative: Any, along: Any) -> Any:
    """A derivative array applied to a direction: its last axes are those of the direction."""
    return np.tensordot(derivative, along, np.ndim(along))


def jacobian(y: Expr, x: Expr) -> Expr:
    """d y / d x by the reverse sweep."""
    return differentiation.jacobian(y.node, [x.node])[0]


def forward_jacobian(y: Expr, x: Expr) -> Expr | None:
    """d y / d x by the forward sweep with an identity as tangent: the axes of x come first."""
    return differentiation.jvp([y.node], {x.node: differentiation.seed(x.type)})[0]


def close(actual: Any, expected: Any, tolerance: float) -> None:
    """Asserts that two arrays agree relative to the largest expected element (at least 1)."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape} instead of {expected.shape}"
    finite = np.abs(expected[np.isfinite(expected)]) if expected.dtype.kind == "f" else np.abs(expected.astype(float))
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)
