"""What every test of the operation table needs: rows, sampling, numbers of expressions, numerical derivatives, lowering.

The numerical derivatives are Richardson-extrapolated central differences of NumPy's value (order 1) or of the symbolic
first derivative (order 2), so no rule is compared with itself.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from symgrad.compiler.index import Assign, Extern, Program
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.types import DTYPES, evaluate, names
from symgrad.compiler.verify import verify

import symgrad.ops  # noqa: F401  (fills the tables)
from symgrad import differentiation, interpreter
from symgrad.build import tensor
from symgrad.expression import Expr
from symgrad.graph import Node, node, postorder
from symgrad.indexing import Operand, Routine

Sample = tuple[float, float] | str | Callable[[np.random.Generator, tuple[int, ...]], Any]
SIZES = {"m": 3, "n": 4, "k": 2, "b": 2}


@dataclass(frozen=True)
class Row:
    """One test row: a formula over symbols, what NumPy or SciPy says it is, and where to sample.

    `build` takes the symbols in the order of `shapes`, `numpy` the arrays.  A sample is an interval, ``"int"`` (0, 1, 2),
    ``"spd"``, ``"square"`` (well-conditioned), ``"bool"``,
    ``"away"`` (from 0), or a function of a generator and a shape.  `wrt` names the symbols to
    differentiate (all floats by default); `orders` says how many orders have a derivative.  `empty` says whether sizes 0 are tried.
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
        return list(self.wrt) if self.wrt is not None else [n for n, s in self.shapes.items() if "i64" not in s and "bool" not in s]


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


def number(roots: Sequence[Expr], symbols: Sequence[Expr], arrays: Sequence[Any], sizes: Mapping[str, int]) -> list[Any]:
    """The interpreter's values of `roots`."""
    known = {x.node: a for x, a in zip(symbols, arrays, strict=True)}
    return interpreter.run([r.node for r in roots], known, sizes)


def expanded(root: Node) -> Node:
    """`root` with every operation given by a formula replaced by it, until none is left."""
    while True:
        new: dict[Node, Node] = {}
        changed = False
        for x in postorder([root]):
            inputs = tuple(new[i] for i in x.inputs)
            current = node(x.op, inputs, x.params)
            if current.op.expand is not None:
                current = current.op.expand(Expr(current), *map(Expr, current.inputs)).node
                changed = True
            new[x] = current
        root = new[root]
        if not changed:
            return root


def lowered(root: Node) -> Program:
    """The program of an expanded root straight from the rows, one statement per node; array constants are inputs."""
    order = postorder([root])
    name = {x: f"v{k}" for k, x in enumerate(order)}
    statements: list[Assign | Extern] = []
    for x in order:
        if is_input(x):
            continue
        assert x.op.lower is not None, f"{x.op.name} cannot be compiled"
        made = x.op.lower(x, [Operand(name[i], i.type) for i in x.inputs])
        if isinstance(made, Routine):
            statements.append(Extern(made.function, made.params, tuple(name[i] for i in x.inputs), ((name[x], x.type),)))
        else:
            statements.append(Assign(name[x], x.type, made.axes, made.value, made.at, made.accumulate))
    inputs = tuple((name[x], x.type) for x in order if is_input(x))
    return Program(inputs, tuple(statements), (name[root],), tuple(sorted({s for x in order for n in x.type.shape for s in names(n)})))


def is_input(x: Node) -> bool:
    """Whether a node enters a program as an array: symbols and constants with axes."""
    return x.op.name == "symbol" or (x.op.name == "constant" and bool(x.type.shape))


def compiled_meaning(root: Expr, symbols: Sequence[Expr], arrays: Sequence[Any], sizes: Mapping[str, int]) -> Any:
    """The value of `root` through the index language and its interpreter."""
    plain = expanded(root.node)
    program = lowered(plain)
    verify(program)
    known = {x.node: a for x, a in zip(symbols, arrays, strict=True)}
    given = [known[x] if x in known else x.op.evaluate([], x.params, sizes) for x in postorder([plain]) if is_input(x)]
    return interpret(program, *given, sizes=sizes)[0]


def differences(f: Callable[[Any], Any], x: Any, step: float = 0.02) -> Any:
    """The derivative of `f` at `x`: axes of f(x), then axes of x.  Error about step**8 and eps/step."""
    x = np.asarray(x, np.float64)
    shape = np.shape(f(x))
    result = np.zeros((*shape, x.size))
    for k in range(x.size):
        estimates = []
        for level in range(4):
            h = step / 2**level
            moved = []
            for sign in (1, -1):
                z = x.copy().reshape(-1)
                z[k] += sign * h
                moved.append(np.asarray(f(z.reshape(x.shape)), np.float64))
            estimates.append((moved[0] - moved[1]) / (2 * h))
        for order in range(1, 4):
            estimates = [(4**order * b - a) / (4**order - 1) for a, b in itertools.pairwise(estimates)]
        result[..., k] = estimates[0]
    return result.reshape(*shape, *x.shape)


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
