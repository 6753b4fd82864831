"""One random formula, computed in every way that there is: all must agree.

The reference is the formula as it was written, in NumPy, before anything is rewritten.  Results may differ by rounding:
by a small part of the largest number that occurs on the way.  Where the reference overflows or is not finite, nothing
is compared; where it says that a value does not exist, everything else must say so too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symgrad as sg
from symgrad import differentiation, interpreter
from symgrad.calculus import all_symbols
from symgrad.errors import DomainError, SymgradError
from symgrad.expression import Expr
from symgrad.graph import Node, postorder
from symgrad.rewrite.canonical import canonicalise
from tests.fuzz.generate import SHAPES

LARGE, CLOSE = 1e6, 1e-9
SINGLE, SINGLE_STEPS = 3e-5, (1e-6, -1e-6, 1e-5, -1e-5)
FLOATS = tuple(SHAPES)


@dataclass
class Ways:
    """All ways to compute a formula: graphs of the value, of its gradient, and of derivatives along a direction."""

    text: str
    shapes: dict[str, str] = field(default_factory=lambda: dict(SHAPES))

    def __post_init__(self) -> None:
        self.f = sg.parse(self.text, **self.shapes)
        self.symbols = [x for x in all_symbols(self.f) if x.params[0] in self.used]
        self.raw = self.f.node
        gradient = differentiation.gradient(self.raw, self.symbols)
        self.raw_gradient = [g.node for g in gradient]
        self.directions = {x: Expr(sg.tensor(f"v_{x.params[0]}", x.type).node) for x in self.symbols}
        forward = differentiation.jvp([self.raw], self.directions)[0]
        self.forward = (forward if forward is not None else differentiation.zeros((), "f64")).node

    @property
    def used(self) -> set[str]:
        """The symbols that occur, by name."""
        return {x.params[0] for x in postorder([self.f.node]) if x.op.name == "symbol"}

    def canonical(self) -> list[Node]:
        """Value, gradient and derivative along a direction, rewritten."""
        (value,) = canonicalise([self.raw])
        gradient = canonicalise([g.node for g in differentiation.gradient(value, self.symbols)])
        (forward,) = canonicalise([self.forward])
        return [value, *gradient, forward]

    def read_back(self) -> Node:
        """The value as what is printed reads back."""
        return sg.parse(str(self.f), **self.f.shapes).canonical().node

    def simplified(self) -> Node:
        """The value in its shortest form."""
        return self.f.simplify().node


def agree(found: Any, expected: Any, scale: float, what: str, tolerance: float = CLOSE) -> None:
    """Asserts that two results are the same but for rounding."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape, f"{what}: shape {found.shape} instead of {expected.shape}"
    difference = np.abs(found - expected)
    allowed = tolerance * (scale + np.abs(expected))
    bad = ~(difference <= allowed)
    assert not bad.any(), f"{what}: {found} instead of {expected}"


@dataclass
class Point:
    """Numbers for the symbols, and what the formula as it was written gives."""

    ways: Ways
    values: dict[str, Any]
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.arrays = {x: np.asarray(self.values[x.params[0]], np.float64) for x in self.ways.symbols}
        self.sizes = {"n": len(self.values["x"]), "m": len(self.values["z"])}
        self.along = {v.node: self.rng.normal(size=self.arrays[x].shape) for x, v in self.ways.directions.items()}
        roots = [self.ways.raw, *self.ways.raw_gradient, self.ways.forward]
        order = postorder(roots)
        with np.errstate(all="ignore"):
            known = dict(zip(order, self.run(order), strict=True))
        self.expected = [known[root] for root in roots]
        finite = [a for a in known.values() if a.dtype.kind == "f"]
        self.scale = max((float(np.max(np.abs(a))) for a in finite if a.size), default=0.0)

    @property
    def tame(self) -> bool:
        """Whether nothing overflows or is undefined on the way."""
        return self.scale < LARGE

    def run(self, roots: Sequence[Node]) -> list[Any]:
        """NumPy's values of graphs."""
        return interpreter.run(roots, {**self.arrays, **self.along}, self.sizes)

    def along_gradient(self, gradient: Sequence[Any]) -> float:
        """The derivative along the direction by the gradient."""
        pairs = zip(gradient, self.along.values(), strict=True)
        return float(sum(np.sum(np.asarray(g, np.float64) * v) for g, v in pairs))

    def check_interpreted(self, roots: Sequence[Node], what: str) -> None:
        """Graphs of value, gradient and derivative along the direction."""
        with np.errstate(all="ignore"):
            found = self.run(roots)
        for k, (a, b) in enumerate(zip(found, self.expected, strict=True)):
            agree(a, b, self.scale, f"{what} {k} of {self.ways.text}")
        agree(self.along_gradient(found[1:-1]), found[-1], 10 * self.scale, f"forward and reverse of {self.ways.text}")

    def check_compiled(self, function: Any) -> None:
        """A compiled function of the used symbols that gives value and gradient."""
        names = [x.params[0] for x in self.ways.symbols]
        given = {n: self.values[n] for n in names}
        copies = {n: np.array(v) for n, v in given.items()}
        found = function(**given)
        for k, (a, b) in enumerate(zip(found, self.expected[:-1], strict=True)):
            agree(a, b, self.scale, f"compiled {k} of {self.ways.text}")
        for n in names:
            np.testing.assert_array_equal(copies[n], np.asarray(given[n]))


    def check_single(self, function: Any) -> None:
        """A function compiled in float32: it may differ by what the result does when its inputs change in their last
        places, as next to a jump, and by rounding."""
        single = {n: np.asarray(self.values[n], np.float32) for n in (x.params[0] for x in self.ways.symbols)}
        found = [np.asarray(a) for a in function(**single)]
        assert all(a.dtype == np.float32 for a in found if a.ndim)
        near = [self.moved(single, step) for step in (0.0, *SINGLE_STEPS)]
        for k, a in enumerate(found):
            around = np.stack([values[k] for values in near])
            low, high = around.min(0), around.max(0)
            room = 3 * (high - low) + SINGLE * (self.scale + np.abs(near[0][k]))
            assert a.shape == near[0][k].shape, f"float32 {k} of {self.ways.text}: shape {a.shape}"
            bad = ~((low - room <= a) & (a <= high + room) | ~np.isfinite(low + high))
            assert not bad.any(), f"float32 {k} of {self.ways.text}: {a} instead of {near[0][k]}"

    def moved(self, values: dict[str, Any], step: float) -> list[Any]:
        """Value and gradient as written, in double precision, at numbers that differ by `step` in random directions."""
        rng = np.random.default_rng(7)
        arrays = {x: np.asarray(values[x.params[0]], np.float64) for x in self.ways.symbols}
        arrays = {x: a + step * (1 + np.abs(a)) * rng.uniform(-1, 1, a.shape) for x, a in arrays.items()}
        roots = [self.ways.raw, *self.ways.raw_gradient]
        try:
            with np.errstate(all="ignore"):
                return [np.asarray(a, np.float64) for a in interpreter.run(roots, arrays, self.sizes)]
        except DomainError:
            return [np.full_like(e, np.nan) for e in self.expected[:-1]]


def check_batch(ways: Ways, points: Sequence[Point]) -> None:
    """Value and gradient of the points at once by `vmap`, interpreted and compiled; all have the same sizes."""
    names = [x.params[0] for x in ways.symbols]
    many = [sg.tensor(f"many_{n}", ",".join(filter(None, ("k", ways.shapes[n])))) for n in names]
    outputs = [ways.f, *ways.f.grad(tuple(names))]

    def each(*own: Expr) -> list[Expr]:
        return [g.replace(dict(zip(names, own, strict=True))) for g in outputs]

    batch = sg.vmap(each)(*many)
    given = {f"many_{n}": np.stack([np.asarray(p.values[n], np.float64) for p in points]) for n in names}
    symbols = {x: given[x.params[0]] for e in batch for x in all_symbols(e)}
    with np.errstate(all="ignore"):
        roots = canonicalise([e.node for e in batch])
        interpreted = interpreter.run(roots, symbols, {**points[0].sizes, "k": len(points)})
    function = sg.compile(batch, inputs=tuple(given))
    for what, found in (("interpreted", interpreted), ("compiled", function(**given))):
        for k, a in enumerate(found):
            for i, p in enumerate(points):
                agree(np.asarray(a)[i], p.expected[k], p.scale, f"{what} vmap {k} of {ways.text}")


def made(ways: Ways, values: dict[str, Any], rng: np.random.Generator) -> Point | None:
    """The point, if the formula has a value there and nothing overflows."""
    try:
        point = Point(ways, values, rng)
    except DomainError:
        return None
    return point if point.tame else None


def compiled(ways: Ways, dtype: str | None = None) -> Any:
    """Value and gradient as machine code."""
    names = [x.params[0] for x in ways.symbols]
    value = ways.f
    gradient = value.grad(tuple(names))
    return sg.compile([value, *gradient], inputs=tuple(names), dtype=dtype)


__all__ = ["DomainError", "Point", "SymgradError", "Ways", "agree", "check_batch", "compiled", "made"]
