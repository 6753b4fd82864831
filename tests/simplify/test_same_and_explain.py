"""`same` proves, refutes or leaves open; `explain` tells the derivation."""

from __future__ import annotations

import pytest

import symgrad as sg

LOGISTIC = sg.parse("sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2", X="m,n", y="m", w="n", lam="")


@pytest.mark.parametrize(("a", "b"), [
    ("sin(2*x)", "sin(x*2)"), ("(x+1)**2", "x**2+2*x+1"), ("erf(x)", "1-erfc(x)"), ("1/(1+exp(-x))", "sigmoid(x)"),
    ("x + x", "2*x"),
])  # fmt: skip
def test_proved(a: str, b: str) -> None:
    verdict = sg.same(a, b)
    assert verdict and verdict.proved


def test_proof_names_its_assumption() -> None:
    assert "x is not zero" in sg.same("a*x/x", "a").assumptions


def test_text_takes_shapes_from_the_gradient() -> None:
    verdict = sg.same("lam*w - X.T @ (y*sigmoid(-y*(X@w)))", LOGISTIC.grad("w"))
    assert verdict.proved and str(verdict).startswith("equal")


def test_refuted_with_a_counterexample() -> None:
    verdict = sg.same("X.T @ (y*sigmoid(y*(X@w)))", LOGISTIC.grad("w"))
    assert not verdict and verdict.proved and set(verdict.counterexample) == {"X", "y", "w", "lam"}
    gradient = LOGISTIC.grad("w")(**verdict.counterexample)
    assert abs(gradient - verdict.right).max() == 0 and abs(verdict.left - verdict.right).max() > 0


def test_undecided_says_so() -> None:
    verdict = sg.same(sg.parse("det(2*inv(A) + eye(n))", A="n,n"), "det(2*eye(n) + A)/det(A)")
    assert verdict and not verdict.proved and "not proved" in str(verdict)


def test_points_where_one_side_alone_is_finite_are_told() -> None:
    verdict = sg.same("log(x**2)", "2*log(x)")
    assert verdict and not verdict.proved and str(verdict).endswith("others only one of them is finite")


def test_different_shapes() -> None:
    assert not sg.same(LOGISTIC, LOGISTIC.grad("w"))


def test_explanation_of_a_gradient() -> None:
    shown = str(LOGISTIC.grad("w").explain())
    assert shown == str(LOGISTIC.explain("w"))
    assert "v6 = softplus(v5)   dv6/dv5 = sigmoid(v5)" in shown
    assert "bar v5 = bar v6*sigmoid(v5)" in shown
    assert "d/dw = lam*w - X.T @ (y*sigmoid(-y*(X @ w)))" in shown


def test_explanation_names_the_simplifications() -> None:
    shown = str(sg.parse("x*log(x)").explain())
    assert "cancel" in shown and "1 + log(x)" in shown
