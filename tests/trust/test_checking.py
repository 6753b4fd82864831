"""`check`, `trace_nan` and `profile`, and the places in the user's text that they point at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad import checking
from symgrad.errors import ArgumentError
from symgrad.function import Function
from symgrad.graph import OPS
from symgrad.places import places

RNG = np.random.default_rng(5)
LOSS = "sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2"
DATA = {
    "X": RNG.normal(size=(7, 3)), "y": np.sign(RNG.normal(size=7)), "w": RNG.normal(size=3), "lam": 0.1,
}  # fmt: skip
SHAPES = {"X": "m,n", "y": "m", "w": "n", "lam": ""}


def compiled(text: str, wrt: Any = None, **shapes: str) -> Function:
    f: Function = sg.compile(sg.parse(text, **shapes), wrt=wrt)
    return f


# ---- check

@pytest.mark.parametrize(
    ("text", "values", "wrt"),
    [
        ("log(1 + exp(x))", {"x": 2.0}, None),
        ("sum(a*log(x)) + norm(x)", {"a": [1.0, 2.0], "x": [3.0, 1.0]}, "x"),
        ("max(x) + prod(x)", {"x": [3.0, 1.0]}, "x"),
        ("x**y", {"x": 1.5, "y": 2.5}, ("x", "y")),
        (LOSS, DATA, "w"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_certificates(text: str, values: dict[str, Any], wrt: Any) -> None:
    shapes = {n: SHAPES.get(n, "") if n in SHAPES and text is LOSS else "n" if isinstance(v, list) else ""
              for n, v in values.items()}  # fmt: skip
    found = compiled(text, wrt, **shapes).check(most=3, **values)
    assert found, str(found)
    assert found.worst["value"].ulps < 10
    assert all(found.worst[q].compared for q in checking.QUANTITIES)
    assert found.worst["gradient"].digits > 30
    assert "certified" in str(found) and "given" in found.points


def test_a_slope_of_zero_is_right() -> None:
    assert compiled("x**2*sin(x)", x="").check(0.0)
    assert compiled("sum(relu(x)**2)", x="n").check([0.0, -1.0, 2.0])


def test_kinks_are_named() -> None:
    found = compiled("abs(x)", x="").check(1.0)
    assert found
    assert any("kink in x" in reason for reason in found.skipped)


def test_a_wrong_rule_is_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule of the sine with a wrong sign: the differences disagree, and no certificate is given."""
    wrong = OPS["sin"].vjp
    assert wrong is not None
    sine = OPS["sin"]
    monkeypatch.setattr(type(sine), "__setattr__", object.__setattr__)
    monkeypatch.setattr(sine, "vjp", lambda g, y, x: [-part for part in wrong(g, y, x)])
    found = compiled("sin(x) + 0.125*x", x="").check(0.7)
    assert not found
    assert found.worst["gradient"].digits < 5
    assert "NOT certified" in str(found)


def test_lost_digits_are_no_certificate() -> None:
    """A difference that no rule knows loses digits that its condition does not explain."""
    found = compiled("arccos(cos(x))", x="").check(1e-7)
    assert not found
    assert found.worst["value"].ratio > 1
    assert "at given" in found.worst["value"].where or found.worst["value"].where.startswith("value at")


def test_what_cannot_be_checked_says_why() -> None:
    with pytest.raises(ArgumentError, match="one floating-point number"):
        compiled("2*x", x="n").check([1.0, 2.0])


MATRIX = np.array([[1.3, -0.4, 0.2], [0.5, 0.9, -0.7], [0.1, 0.6, -1.1]])


@pytest.mark.slow
@pytest.mark.parametrize("text", ["sum(exp(eigvalsh(A)))"])
def test_factorisations_have_certificates(text: str) -> None:
    certificate = compiled(text, A="n,n").check(MATRIX)
    assert certificate and certificate.worst["gradient"].digits > 20


@pytest.mark.parametrize("text", ["det(A)", "logdet(A)"])
def test_determinants_have_certificates(text: str) -> None:
    assert compiled(text, A="n,n").check(MATRIX)


def test_loops_have_certificates() -> None:
    x = sg.vector("x", "n")
    last, _ = sg.scan(lambda c, s: (sg.sin(c) + s**2, c), 0.3, x)
    assert sg.compile(last, inputs=[x], wrt="x").check(np.array([0.3, -0.7]))


# ---- trace_nan

TRACES: list[tuple[str, dict[str, Any], Any, str, str, str]] = [
    # text, values, wrt; the part, what it became, where
    ("sum(a*log(x - 1))", {"a": [1.0, 2.0], "x": [3.0, 1.0]}, "x", "log(x - 1)", "-inf", "value"),
    ("2*sqrt(x - 3)", {"x": 1.0}, None, "sqrt(x - 3)", "NaN", "value"),
    ("1 + 1/x", {"x": 0.0}, None, "1/x", "inf", "value"),
    ("1 + exp(x)*2", {"x": 1000.0}, None, "exp(x)", "inf", "value"),
    ("log(1 + exp(x)) + 1/(x - 800)", {"x": 800.0}, None, "1/(x - 800)", "inf", "value"),
    ("y + sqrt(x*2)", {"x": 0.0, "y": 1.0}, "x", "sqrt(x*2)", "inf", "gradient"),
    ("x**0.5 + y", {"x": 0.0, "y": 1.0}, "x", "x**0.5", "inf", "gradient"),
    ("arcsin(x) + log(y)", {"x": 1.0, "y": 1.0}, "x", "arcsin(x)", "inf", "gradient"),
    ("y*x**2", {"x": np.nan, "y": 2.0}, "x", "x", "NaN", "value"),
    ("sum(where(x > 0, 1/x, log(x)))", {"x": [2.0, -1.0]}, None, "log(x)", "NaN", "value"),
]


@pytest.mark.parametrize(("text", "values", "wrt", "part", "what", "where"), TRACES, ids=lambda v: str(v)[:30])
def test_traces(text: str, values: dict[str, Any], wrt: Any, part: str, what: str, where: str) -> None:
    f = compiled(text, wrt, **{n: "n" if isinstance(v, list) else "" for n, v in values.items()})
    found = f.trace_nan(**values)
    assert found
    assert found.place is not None
    assert (found.place.text, found.what, found.where) == (part, what, where)
    lines = str(found).splitlines()
    assert lines[1].strip() == text
    assert lines[2].count("^") == len(part)
    assert lines[2].index("^") - 4 == text.index(part)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("log(1 + exp(x))", {"x": 1e4}),
        ("sum(where(x > 0, log(x), 0))", {"x": [0.0, 3.0]}),
        ("exp(-1/x**2)", {"x": 1e-3}),
        ("sin(x)/x", {"x": 0.0}),
    ],
)
def test_harmless_infinities_are_not_blamed(text: str, values: dict[str, Any]) -> None:
    f = compiled(text, **{n: "n" if isinstance(v, list) else "" for n, v in values.items()})
    found = f.trace_nan(**values)
    assert not found
    assert str(found) == "everything is finite"


def test_advice_stands_in_the_users_terms() -> None:
    f = compiled("2*sqrt(x)", x="")
    assert "where(x > 0, sqrt(x), 0)" in f.trace_nan(0.0).advice
    assert f.trace_nan(-1.0).inputs == (("x", -1.0),)
    assert f.grad.trace_nan(0.0).where == "grad"


def test_many_points() -> None:
    """A formula of scalars at arrays of points: the first point that is not finite, in the value or in the gradient."""
    f = compiled("log(x) + y", "x", x="", y="")
    found = f.trace_nan(np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([1.0, 2.0]))
    assert (found.place.text, found.what, found.index, found.where) == ("log(x)", "-inf", (1, 1), "value")
    g = compiled("2*sqrt(x)", x="")
    assert g.trace_nan([4.0, 0.0, 0.0]).index == (1,)
    assert g.trace_nan([4.0, 0.0]).where == "gradient"
    assert not g.trace_nan([4.0, 1.0])


def test_functions_without_text_are_printed() -> None:
    f = sg.compile(sg.from_function(lambda x: np.log(np.sqrt(x) - 1).sum(), x="n"))
    found = f.trace_nan([4.0, 1.0])
    assert found.place.text == "log(sqrt(x) - 1)"
    assert found.index == (1,)


# ---- places

def test_every_node_has_a_place() -> None:
    f = compiled(LOSS, "w", **SHAPES)
    for g in (f, f.grad, f.hessian, f.hvp, f.value_and_grad):
        found = places(g.formula)
        assert found.keys() >= {x for x in g.formula.nodes if x in found}
        assert all(p.source == LOSS for p in found.values())
        assert max(p.order for p in found.values()) <= 2
    parts = {p.title for p in places(f.hessian.formula).values()}
    assert "second derivative of log(1 + exp(-y * (X @ w)))" in parts


def test_places_in_another_element_type() -> None:
    f = sg.compile(sg.parse("2*log(x - 1)", x=""), dtype="f32")
    assert f.trace_nan(1.0).place.text == "log(x - 1)"


# ---- profile

def test_profile() -> None:
    found = compiled(LOSS, "w", **SHAPES).profile(**DATA)
    assert {p.place.text for p in found.parts} >= {"log(1 + exp(-y * (X @ w)))", "-y * (X @ w)"}
    assert all(p.seconds >= 0 and p.bytes > 0 for p in found.parts)
    loss = next(p for p in found.parts if p.place.text == "log(1 + exp(-y * (X @ w)))")
    assert loss.bytes == 2 * 7 * 8
    assert "part by part" in str(found) and "^" in str(found)
