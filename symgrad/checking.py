"""`check`: a certificate that a compiled function and its derivatives are right, number by number.

What the machine code gives is compared with the same formula in high precision (`high_precision`), as the user wrote
it and before any rewriting; the derivative of the formula is held against differences of its value in high precision,
which know nothing of any derivative rule.  Both are done at the given point and at adversarial ones made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .compiler.types import is_float
from .derivatives import gradients, hessians
from .errors import ArgumentError, SymgradError
from .expression import symbol_name
from .formula import Formula
from .graph import Node, postorder
from .machine import Machine, Options
from .places import sources
from .trees import leaves

Array = np.ndarray[Any, Any]
Values = dict[Node, Array]
DIGITS, WORKING, STEP = 50, 140, 35
"""Digits that are certified; digits that are computed with; differences have steps of 10**-STEP of an element."""
FACTORISATIONS = frozenset({"eigh", "eigvalsh", "spectral", "svd", "svdvals", "pinv", "lstsq", "qr", "cofactor"})
NORMWISE = 1000
"""LAPACK's factorisations are exact up to so many eps of the largest number, not of each."""
EPS, LARGEST = {"f64": 2.0**-52, "f32": 2.0**-23}, {"f64": 1.7976931348623157e308, "f32": 3.4028234663852886e38}
RELATIVE = {"f64": 1e-13, "f32": 1e-5}
QUANTITIES = ("value", "gradient", "hessian")


@dataclass
class Worst:
    """The largest errors of one quantity: in ulps of the exact number; in units of what its condition allows,
    max(1e-13, 8 eps kappa); and where they are."""

    ulps: float = 0.0
    where: str = "nowhere"
    ratio: float = 0.0
    ratio_where: str = "nowhere"
    compared: int = 0
    digits: float = np.inf
    """To so many digits the derivative rules agree with differences of the value."""


@dataclass
class Certificate:
    """What `check` found; truthy if every number is as exact as its condition allows, and every rule right.

    `worst` holds the errors of "value", "gradient" and "hessian"; `points` what was tried; `skipped` why something was
    not compared."""

    formula: str
    worst: dict[str, Worst]
    points: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether something was compared and nothing is worse than it may be."""
        rows = self.worst.values()
        return any(w.compared for w in rows) and all(w.ratio <= 1 and w.digits >= 15 for w in rows)

    def __str__(self) -> str:
        lines = [
            f"{'' if self else 'NOT '}certified at {len(self.points)} points against {DIGITS} digits: {self.formula}",
            f"{'':9} {'numbers':>8} {'ulps':>9}  {'of allowed':>10}  rules agree to  worst",
        ]
        for name, w in self.worst.items():
            agree = "" if w.digits == np.inf else f"{w.digits:.0f} digits"
            where = w.where if w.ratio <= 1 else w.ratio_where
            lines.append(f"{name:9} {w.compared:8} {w.ulps:9.3g}  {w.ratio:10.2g}  {agree:14}  {where}")
        lines.append(f"points: {', '.join(self.points)}")
        lines += [f"not compared: {reason}" for reason in dict.fromkeys(self.skipped)]
        return "\n".join(lines)

    __repr__ = __str__


def check(
    formula: Formula, options: Options, values: Mapping[Node, Array], sizes: Mapping[str, int], most: int
) -> Certificate:
    """The certificate of `formula`, a scalar, near `values`; of long gradients `most` elements are looked at.

    >>> import symgrad as sg
    >>> f = sg.compile(sg.parse("log(1 + exp(x))", x=""))
    >>> bool(f.check(2.0))
    True
    """
    import mpmath

    y = formula.output("check")
    if y.type.shape or not is_float(y.type.dtype):
        raise ArgumentError(f"check: needs a function with one floating-point number as value, got {y.type}")
    variables = [x for _, x in leaves(formula.tree("check"))]
    certificate = Certificate(sources(formula)[0].text, {q: Worst() for q in QUANTITIES})
    with mpmath.workdps(WORKING):
        checked = _Checked(y, variables, formula.symbols, options, dict(sizes), most, certificate)
        for name, point in adversarial(values, variables):
            checked.at(name, point)
    return certificate


# ---- points

def adversarial(values: Mapping[Node, Array], variables: Sequence[Node]) -> Iterator[tuple[str, Values]]:
    """The given point and others: zero, tiny, large, negative, tied and nearly tied variables, each by its name."""
    first = next((float(values[x].flat[0]) for x in variables if values[x].size), 0.0) or 1.0
    made: list[tuple[str, Callable[[Array], Array]]] = [
        ("given", lambda a: a),
        ("zero", np.zeros_like),
        ("tiny", lambda a: (a * 1e-9).astype(a.dtype)),
        ("very tiny", lambda a: (np.where(a == 0, 1, a) * 1e-30).astype(a.dtype)),
        ("large", lambda a: (a * 1e5).astype(a.dtype)),
        ("negative", lambda a: -a),
        ("tied", lambda a: np.full_like(a, first)),
        ("nearly tied", lambda a: (first * (1 + 2.0**-20 * np.arange(a.size).reshape(a.shape))).astype(a.dtype)),
        ("near 1", lambda a: (1 + 1e-6 * (1 + np.arange(a.size).reshape(a.shape))).astype(a.dtype)),
    ]
    for name, change in made:
        yield name, {**values, **{x: change(values[x]) for x in variables}}


class _Checked:
    """A scalar with its derivatives, as machine code and in high precision."""

    def __init__(
        self, y: Node, variables: list[Node], symbols: Sequence[Node], options: Options, sizes: dict[str, int],
        most: int, certificate: Certificate,
    ) -> None:  # fmt: skip
        self.y, self.variables, self.symbols, self.sizes = y, variables, list(symbols), sizes
        self.most, self.certificate = most, certificate
        self.factorised = any(x.op.name in FACTORISATIONS for x in postorder([y]))
        self.largest = 0.0
        self.roots: dict[str, list[Node]] = {"value": [y]}
        for name, made in (("gradient", gradients), ("hessian", hessians)):
            try:
                self.roots[name] = made(y, variables)
            except SymgradError as error:
                certificate.skipped.append(f"{name}: {error.message}")
                break
        self.machines = {name: Machine(roots, symbols, options) for name, roots in self.roots.items()}
        from .differentiation import gradient

        self.raw = [g.node for g in gradient(y, variables)] if "gradient" in self.roots else []

    def at(self, name: str, point: Values) -> None:
        """Compares everything at one point."""
        exact = Exact(self, point)
        value = exact.here
        if value is None:
            self.certificate.skipped.append(f"{name}: the formula has no value there, or none in range")
            return
        self.certificate.points.append(name)
        self._compare("value", name, (), self._computed("value", point)[0], value, exact.sensitivity(exact.value))
        if "gradient" not in self.roots:
            return
        found = np.concatenate([np.ravel(g) for g in self._computed("gradient", point)])
        blocks = self._computed("hessian", point) if "hessian" in self.roots else []
        picked = _picked(found.size, self.most)
        self.largest = _largest(found)
        for k in picked:
            self._slope(name, exact, k, float(found[k]))
        if blocks:
            second = self._joined(blocks, found.size)
            self.largest = _largest(second)
            for k, j in _pairs(picked, self.most):
                self._curvature(name, exact, (k, j), float(second[k, j]))

    def _computed(self, quantity: str, point: Values) -> list[Array]:
        arrays = [np.ascontiguousarray(point[x]).reshape(point[x].shape) for x in self.symbols]
        return self.machines[quantity].run(arrays, self.sizes)

    def _joined(self, blocks: Sequence[Array], size: int) -> Array:
        n, rows = len(self.variables), []
        for i in range(n):
            row = blocks[i * n : (i + 1) * n]
            height = sum(b.size for b in row) // max(1, size)
            rows.append(np.concatenate([b.reshape(height, -1) for b in row], axis=1))
        return np.concatenate(rows)

    def _slope(self, name: str, exact: Exact, k: int, found: float) -> None:
        expected, difference, kink = exact.slope(k)
        if expected is None:
            return
        self._compare("gradient", name, (k,), found, expected, exact.sensitivity(lambda p: exact.rule(k, p)))
        if kink:
            self.certificate.skipped.append(f"{name}: a kink in {self._label(k)}; the rule gives the subgradient")
        elif difference is not None:
            self._agree("gradient", expected, difference, exact.scale, exact.step(k))

    def _curvature(self, name: str, exact: Exact, pair: tuple[int, int], found: float) -> None:
        expected, smooth, sensitivity = exact.curvature(*pair)
        if expected is None or not smooth:
            return
        self._compare("hessian", name, pair, found, expected, sensitivity)

    def _compare(
        self, quantity: str, name: str, index: tuple[int, ...], found: Any, expected: Any, sensitivity: Any
    ) -> None:
        """Notes the error of one number."""
        import mpmath

        worst, dtype = self.certificate.worst[quantity], self.y.type.dtype
        worst.compared += 1
        if abs(expected) > LARGEST[dtype] * (1 - 1e-12) or abs(expected) < 1e-290:
            return
        error = abs(mpmath.mpf(float(found)) - expected) if np.isfinite(float(found)) else mpmath.inf
        ulp = mpmath.mpf(float(np.spacing(np.abs(np.asarray(float(expected), _DTYPE[dtype])))))
        allowed = max(RELATIVE[dtype] * abs(expected), 8 * EPS[dtype] * sensitivity)
        if self.factorised and index:
            allowed = max(allowed, NORMWISE * EPS[dtype] * self.largest)
        where = f"{self._label(*index) if index else quantity} at {name}"
        if error / ulp > worst.ulps:
            worst.ulps, worst.where = float(error / ulp), where
        if error / allowed > worst.ratio:
            worst.ratio, worst.ratio_where = float(error / allowed), where

    def _agree(self, quantity: str, a: Any, b: Any, scale: Any, step: Any) -> None:
        """Notes how well a slope agrees with a central difference.  Its own error is of the order of step**2, of the
        order of the step where the slope has a kink, as that of relu(x)**2 at 0."""
        import mpmath

        least = max(scale * mpmath.mpf(10) ** -20, mpmath.sqrt(step), mpmath.mpf(10) ** -200)
        difference = abs(a - b) / max(abs(a), abs(b), least)
        digits = -float(mpmath.log10(difference)) if difference else float(WORKING)
        worst = self.certificate.worst[quantity]
        worst.digits = min(worst.digits, digits)

    def _label(self, *ks: int) -> str:
        """The elements by the names of their variables."""
        return ", ".join(self._element(k) for k in ks)

    def _element(self, k: int) -> str:
        for x, size in zip(self.variables, self.lengths, strict=True):
            if k < size:
                return symbol_name(x) + (f"[{k}]" if x.type.shape else "")
            k -= size
        raise IndexError(k)

    @property
    def lengths(self) -> list[int]:
        """The numbers of elements of the variables."""
        from .compiler.types import evaluate

        return [int(np.prod([evaluate(n, self.sizes) for n in x.type.shape], dtype=int)) for x in self.variables]


_DTYPE = {"f64": np.float64, "f32": np.float32}


def _largest(a: Array) -> float:
    return float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0))


def _picked(n: int, most: int) -> list[int]:
    """At most `most` of n elements: the first, the last, and others chosen alike every time."""
    if n <= most:
        return list(range(n))
    others = np.random.default_rng(n).choice(np.arange(1, n - 1), most - 2, replace=False)
    return sorted({0, n - 1, *map(int, others)})


def _pairs(picked: Sequence[int], most: int) -> list[tuple[int, int]]:
    pairs = [(k, j) for a, k in enumerate(picked) for j in picked[: a + 1]]
    return [pairs[k] for k in _picked(len(pairs), 2 * most)] if pairs else []


class Exact:
    """A scalar and its derivatives at one point, in high precision; None where there is no finite number."""

    def __init__(self, checked: _Checked, point: Values) -> None:
        from . import loops_in_high_precision  # noqa: F401  (makes the meaning of loops known)
        from .high_precision import exactly

        self.checked = checked
        self.given = {x: exactly(a) for x, a in point.items()}
        self.places = [(x, index) for x in checked.variables for index in np.ndindex(point[x].shape)]
        self.here = self.value(self.given)
        self.scale = 0 if self.here is None else abs(self.here)

    def _moved(self, values: Mapping[Node, Any], k: int, step: Any) -> dict[Node, Any]:
        """`values` with `step` added to element k of the variables."""
        x, index = self.places[k]
        changed = values[x].copy()
        changed[index] = changed[index] + step
        return {**values, x: changed}

    def _finite(self, root: Node, values: Mapping[Node, Any], index: tuple[int, ...] = ()) -> Any:
        import mpmath

        from .high_precision import run

        (found,) = run([root], values, self.checked.sizes)
        number = found[index]
        return number if mpmath.isfinite(number) else None

    def value(self, values: Mapping[Node, Any]) -> Any:
        """The value for these numbers."""
        return self._finite(self.checked.y, values)

    def rule(self, k: int, values: Mapping[Node, Any]) -> Any:
        """Element k of the gradient by the rules of differentiation, nothing rewritten."""
        x, index = self.places[k]
        return self._finite(self.checked.raw[self.checked.variables.index(x)], values, index)

    def step(self, k: int) -> Any:
        """By how much element k is moved in differences."""
        import mpmath

        x, index = self.places[k]
        return (abs(self.given[x][index]) or mpmath.mpf(1)) * mpmath.mpf(10) ** -STEP

    def slope(self, k: int) -> tuple[Any, Any, bool]:
        """Element k of the gradient by the rules and by differences, and whether there is a kink."""
        h = self.step(k)
        expected = self.rule(k, self.given)
        here = self.here
        above, below = (self.value(self._moved(self.given, k, step)) for step in (h, -h))
        if above is None or below is None or here is None:
            return expected, None, False
        right, left = (above - here) / h, (here - below) / h
        kink = abs(right - left) > (abs(right) + abs(left)) * 1e-9 + abs(h) * 1e9
        difference = (above - below) / (2 * h)
        return (expected if expected is not None or kink else difference), difference, kink

    def curvature(self, k: int, j: int) -> tuple[Any, bool, Any]:
        """The second derivative by elements k and j from differences of the gradient's rules, whether it is smooth
        there, and its sensitivity."""
        h, here = self.step(j), self.rule(k, self.given)
        above, below = (self.rule(k, self._moved(self.given, j, step)) for step in (h, -h))
        if above is None or below is None or here is None:
            return None, False, 0
        found, right, left = (above - below) / (2 * h), (above - here) / h, (here - below) / h
        far = self._difference(k, j, self.given, 1000)
        if far is None:
            return None, False, 0
        # A jump of the slope looks the steeper the shorter the step; a kink has two sides.
        smooth = abs(right - left) <= 1e-9 * (abs(right) + abs(left)) + abs(h) * 1e9
        smooth = smooth and abs(found - far) <= 1e-12 * abs(found) + abs(h) * 1e6
        return found, smooth, self.sensitivity(lambda p: self._difference(k, j, p, 1))

    def _difference(self, k: int, j: int, values: Mapping[Node, Any], factor: int) -> Any:
        h = self.step(j) * factor
        above, below = (self.rule(k, self._moved(values, j, step)) for step in (h, -h))
        return None if above is None or below is None else (above - below) / (2 * h)

    def sensitivity(self, f: Callable[[Any], Any]) -> Any:
        """How much `f` changes, relative to the change, when every number that goes in changes in its last digits: the
        largest of a few draws."""
        import mpmath

        small = mpmath.mpf(10) ** -20
        rng = np.random.default_rng(1)
        here, largest = f(self.given), mpmath.mpf(0)
        for _ in range(3):
            moved = {x: a * (1 + rng.uniform(0.5, 1, a.shape) * rng.choice([-1, 1], a.shape) * small)
                     if a.dtype == object else a for x, a in self.given.items()}  # fmt: skip
            there = f({x: np.asarray(a, dtype=object) if is_float(x.type.dtype) else a for x, a in moved.items()})
            if there is not None and here is not None:
                largest = max(largest, abs(there - here) / small)
        return 2 * largest


__all__ = ["Certificate", "Worst", "adversarial", "check"]
