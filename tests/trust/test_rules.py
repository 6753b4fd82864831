"""Every rule of the stable forms: both sides are the same function, also at zeros, infinities, NaN and subnormals, and
what has been rewritten stays as it is."""

from __future__ import annotations

from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest

from symgrad import interpreter
from symgrad.build import scalar
from symgrad.expression import FUNCTIONS, Expr
from symgrad.graph import Node, postorder
from symgrad.rewrite.canonical import canonicalise
from symgrad.rewrite.pattern import Rule
from symgrad.rewrite.settling import canonical
from symgrad.rewrite.stable import STABLE

ORDINARY = (-1.7, -0.6, -0.21, 0.37, 0.8, 1.9, 3.3)
SPECIAL = (0.0, -0.0, 5e-324, -1e-310, 1e-18, -1e-9, 40.0, -40.0, 800.0, -800.0, 1e200, -1e200, np.inf, -np.inf, np.nan)
RULES = STABLE.rules


def precise(root: Node, values: dict[Node, Any]) -> Any:
    """The value of a scalar graph in mpmath; NaN where it has none."""
    known = dict(values)
    for x in postorder([root]):
        if x in known:
            continue
        args = [known[i] for i in x.inputs]
        match x.op.name:
            case "constant":
                known[x] = mpmath.mpf(float(interpreter.run([x], {}, {})[0]))
            case "where":
                known[x] = args[1] if args[0] else args[2]
            case "mask":
                known[x] = args[1] if args[0] else mpmath.mpf(0)
            case "logical_not":
                known[x] = not args[0]
            case _:
                f = x.op.mpmath
                assert f is not None, x.op.name
                call = getattr(mpmath, f) if isinstance(f, str) else f
                try:
                    known[x] = call(*x.params, *args)
                except (ZeroDivisionError, ValueError, OverflowError):
                    known[x] = mpmath.nan
        if isinstance(known[x], mpmath.mpc):
            known[x] = mpmath.nan
    return known[root]


def sides(rule: Rule) -> tuple[Node, Node, list[Node]]:
    left, right, wild = rule.made()
    return left, right, [w for w in wild.values() if w in postorder([left, right])]


def points(count: int, numbers: tuple[float, ...]) -> list[tuple[float, ...]]:
    return [(v,) for v in numbers] if count == 1 else list(product(numbers[:6], numbers[-6:]))


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_both_sides_are_one_function(rule: Rule) -> None:
    left, right, wild = sides(rule)
    compared = 0
    with mpmath.workdps(60):
        for point in points(len(wild), ORDINARY):
            values = {w: mpmath.mpf(v) for w, v in zip(wild, point, strict=True)}
            a, b = precise(left, values), precise(right, values)
            if mpmath.isfinite(a):
                compared += 1
                assert abs(a - b) <= 1e-14 * max(abs(a), mpmath.mpf("1e-15")), point
    assert compared


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_special_values(rule: Rule) -> None:
    """NaN stays NaN; where the left side is right, so is the right side."""
    left, right, wild = sides(rule)
    for point in points(len(wild), SPECIAL):
        values = {w: np.float64(v) for w, v in zip(wild, point, strict=True)}
        with np.errstate(all="ignore"):
            a, b = (float(v) for v in interpreter.run([left, right], values, {}))
        if np.isnan(point).any():
            assert np.isnan(b) or not np.isnan(a), point
        elif np.isfinite(point).all() and np.isfinite(a) and trustworthy(left, wild, point, a):
            assert b == pytest.approx(a, rel=1e-12, abs=1e-300), point


def trustworthy(left: Node, wild: list[Node], point: tuple[float, ...], found: float) -> bool:
    """Whether the left side, computed as it stands, is its exact value to twelve digits."""
    if max(map(abs, point)) > 1e3:
        return False
    with mpmath.workdps(400):
        exact = precise(left, {w: mpmath.mpf(v) for w, v in zip(wild, point, strict=True)})
        return bool(mpmath.isfinite(exact) and abs(exact - found) <= 1e-12 * abs(exact))


def test_rules_that_undo_one_another_run_out_of_fuel(monkeypatch: pytest.MonkeyPatch) -> None:
    def grow(x: Node, *_: Any, **__: Any) -> Node:
        return canonical(FUNCTIONS["cos"](Expr(x)))

    monkeypatch.setattr(STABLE, "normalise", grow)
    with pytest.raises(RuntimeError, match=r"does not settle; last at: .*symbol"):
        canonicalise([FUNCTIONS["sin"](scalar("unsettled_x")).node])


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_types_are_kept_and_rules_settle(rule: Rule) -> None:
    left, right, _ = sides(rule)
    assert left.type == right.type
    once = canonicalise([left])
    assert canonicalise(once) == once
