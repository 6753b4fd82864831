"""Shapes guessed from a formula alone."""

from __future__ import annotations

import pytest

import symgrad as sg
from symgrad.parser_shapes import inferred_shapes

CASES = {
    "x' @ A @ x": "x=n A=n,n",
    "sin(x)*y": "x= y=",
    "sum((X @ w - y)**2)": "X=m,n w=n y=",
    "X.T @ (sigmoid(X @ w) - y)": "X=m,n w=n y=m",
    "sum(log(1 + exp(-y * (X @ w)))) + lam/2*norm(w)**2": "y= X=m,n w=n lam=",
    "tr(A @ X @ B)": "A=m,n X=n,p B=p,m",
    "logdet(X @ X.T + A)": "X=m,n A=m,m",
    "a @ inv(X) @ b": "a=n X=n,n b=n",
    "inv(s)": "s=n,n",
    "solve(A, b) @ c": "A=n,n b=n c=n",
    "norm(x - a)": "x=n a=n",
    "A + A'": "A=n,n",
    "s @ s where s = X @ w": "X=m,n w=n",
    "w @ w + n": "w=m n=",
    "p*pi + e": "p=",
}


@pytest.mark.parametrize("text", CASES)
def test_inferred(text: str) -> None:
    expected = dict(part.split("=") for part in CASES[text].split())
    assert inferred_shapes(text) == expected
    assert list(sg.parse(text, **expected).shapes) == list(expected)


def test_given_shapes_are_kept() -> None:
    assert inferred_shapes("X @ w - y", X="f32[a, 3]") == {"X": "f32[a,3]", "w": "3", "y": ""}
    assert inferred_shapes("A @ x", x="k + 1") == {"x": "k + 1", "A": "n,k + 1"}


def test_what_is_no_formula() -> None:
    with pytest.raises(sg.ParseError):
        inferred_shapes("x @")
