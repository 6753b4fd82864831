"""`same` proves identities of textbooks and refutes their near misses with numbers that differ."""

from __future__ import annotations

import re

import numpy as np
import pytest

import symgrad as sg
from symgrad.equality import Verdict

# Identities of trigonometry, of exponentials and logarithms, of algebra.
SCALARS = [
    ("sin(x)**2 + cos(x)**2", "1", ""), ("sin(2*x)", "2*sin(x)*cos(x)", ""), ("cos(2*x)", "1 - 2*sin(x)**2", ""),
    ("cos(2*x)", "2*cos(x)**2 - 1", ""), ("cos(2*x)", "cos(x)**2 - sin(x)**2", ""), ("tan(x)", "sin(x)/cos(x)", ""),
    ("1 + tan(x)**2", "1/cos(x)**2", ""), ("sin(x + y)", "sin(x)*cos(y) + cos(x)*sin(y)", ""),
    ("cos(x - y)", "cos(x)*cos(y) + sin(x)*sin(y)", ""), ("sin(3*x)", "3*sin(x) - 4*sin(x)**3", ""),
    ("tan(2*x)", "2*tan(x)/(1 - tan(x)**2)", ""), ("sin(x)*cos(y)", "(sin(x + y) + sin(x - y))/2", ""),
    ("cos(x/2)**2", "(1 + cos(x))/2", ""), ("sin(x)**4", "(3 - 4*cos(2*x) + cos(4*x))/8", ""),
    ("cos(x + pi/2)", "-sin(x)", ""), ("sin(pi - x)", "sin(x)", ""), ("cosh(x)**2 - sinh(x)**2", "1", ""),
    ("sinh(2*x)", "2*sinh(x)*cosh(x)", ""), ("cosh(2*x)", "2*cosh(x)**2 - 1", ""),
    ("cosh(x) + sinh(x)", "exp(x)", ""), ("tanh(x)", "(exp(2*x) - 1)/(exp(2*x) + 1)", ""),
    ("tanh(x)", "2*sigmoid(2*x) - 1", ""), ("1 - tanh(x)**2", "1/cosh(x)**2", ""),
    ("sinh(x)", "(exp(x) - exp(-x))/2", ""), ("sigmoid(x)", "1/(1 + exp(-x))", ""),
    ("sigmoid(x)", "exp(x)/(1 + exp(x))", ""), ("sigmoid(-x)", "1 - sigmoid(x)", ""),
    ("sigmoid(x)*(1 - sigmoid(x))", "exp(x)/(1 + exp(x))**2", ""),
    ("sigmoid(x)*sigmoid(-x)", "1/(4*cosh(x/2)**2)", ""), ("softplus(x)", "log(1 + exp(x))", ""),
    ("softplus(x) - softplus(-x)", "x", ""), ("softplus(-x)", "-log(sigmoid(x))", ""),
    ("log(sigmoid(x))", "x - softplus(x)", ""), ("exp(x + y)", "exp(x)*exp(y)", ""), ("exp(x)**3", "exp(3*x)", ""),
    ("log(exp(x))", "x", ""), ("2**x", "exp(x*log(2))", ""), ("(x + 1)**2", "x**2 + 2*x + 1", ""),
    ("(x**3 - 1)/(x - 1)", "x**2 + x + 1", ""), ("1/(x*(x + 1))", "1/x - 1/(x + 1)", ""),
    ("(a + b)/(c*d)", "a/(c*d) + b/(c*d)", ""), ("(x**2 - y**2)/(x - y)", "x + y", ""),
    ("(x + y)**3", "x**3 + 3*x**2*y + 3*x*y**2 + y**3", ""), ("1/(1 + 1/x)", "x/(x + 1)", ""),
    ("sqrt(x**2)", "abs(x)", ""), ("1/(sqrt(x + 1) + sqrt(x))", "sqrt(x + 1) - sqrt(x)", ""),
    ("1/(sqrt(x) + 1)", "(sqrt(x) - 1)/(x - 1)", ""), ("x/sqrt(x)", "sqrt(x)", ""), ("x**(3/2)", "x*sqrt(x)", ""),
    ("arcsin(x) + arccos(x)", "pi/2", ""), ("arctanh(x)", "log((1 + x)/(1 - x))/2", ""), ("abs(x)**2", "x**2", ""),
    ("x*sign(x)", "abs(x)", ""), ("maximum(x, y) + minimum(x, y)", "x + y", ""),
    ("maximum(x, y)", "(x + y + abs(x - y))/2", ""), ("relu(x) - relu(-x)", "x", ""),
    ("where(x > 0, x, -x)", "abs(x)", ""), ("erf(-x)", "-erf(x)", ""),
    ("logaddexp(x, y)", "log(exp(x) + exp(y))", ""), ("log(x*y)", "log(x) + log(y)", ""),
    ("log(x/y)", "log(x) - log(y)", ""), ("log(x**3)", "3*log(x)", ""), ("log(x**y)", "y*log(x)", ""),
    ("x**y*x**z", "x**(y + z)", ""), ("(x**y)**z", "x**(y*z)", ""), ("exp(y*log(x))", "x**y", ""),
    ("sqrt(x*y)", "sqrt(x)*sqrt(y)", ""), ("sqrt(x)/sqrt(y)", "sqrt(x/y)", ""), ("log(sqrt(x))", "log(x)/2", ""),
    ("log(1/x)", "-log(x)", ""),
]  # fmt: skip
# Matrix identities (Petersen and Pedersen, The Matrix Cookbook, 2012, and definitions).
ARRAYS = [
    ("(A @ B).T", "B.T @ A.T", "A:m,n B:n,k"), ("tr(A @ B)", "tr(B @ A)", "A:m,n B:n,m"),
    ("tr(A @ B @ C)", "tr(C @ A @ B)", "A:m,n B:n,k C:k,m"), ("tr(A @ B @ C)", "tr(B @ C @ A)", "A:m,n B:n,k C:k,m"),
    ("tr(A.T)", "tr(A)", "A:n,n"), ("tr(A + B)", "tr(A) + tr(B)", "A:n,n B:n,n"),
    ("sum(A * B)", "tr(A.T @ B)", "A:m,n B:m,n"), ("norm(A)**2", "tr(A.T @ A)", "A:m,n"),
    ("x @ A @ x", "x @ A.T @ x", "A:n,n x:n"), ("x @ A @ x", "tr(A @ outer(x, x))", "A:n,n x:n"),
    ("outer(x, y) @ z", "x*(y @ z)", "x:m y:n z:n"), ("inv(A @ B)", "inv(B) @ inv(A)", "A:n,n B:n,n"),
    ("inv(A).T", "inv(A.T)", "A:n,n"), ("inv(inv(A))", "A", "A:n,n"), ("A @ inv(A)", "eye(n)", "A:n,n"),
    ("inv(2*A)", "inv(A)/2", "A:n,n"), ("det(A @ B)", "det(A)*det(B)", "A:n,n B:n,n"),
    ("det(A.T)", "det(A)", "A:n,n"), ("det(inv(A))", "1/det(A)", "A:n,n"),
    ("logdet(A @ B)", "logdet(A) + logdet(B)", "A:n,n B:n,n"), ("logdet(inv(A))", "-logdet(A)", "A:n,n"),
    ("logdet(A.T)", "logdet(A)", "A:n,n"), ("cofactor(A)", "det(A)*inv(A).T", "A:n,n"),
    ("solve(A, b)", "inv(A) @ b", "A:n,n b:n"), ("diag(x) @ y", "x*y", "x:n y:n"),
    ("diag(x) @ A", "x[:, None]*A", "A:n,m x:n"), ("(A + B) @ C", "A @ C + B @ C", "A:m,n B:m,n C:n,k"),
    ("(x + y) @ (x - y)", "x @ x - y @ y", "x:n y:n"), ("norm(x - y)**2", "x @ x - 2*(x @ y) + y @ y", "x:n y:n"),
    ("norm(A @ x - b)**2", "x @ A.T @ A @ x - 2*(b @ A @ x) + b @ b", "A:m,n x:n b:m"),
    ("inv(A) - inv(B)", "inv(A) @ (B - A) @ inv(B)", "A:n,n B:n,n"), ("sum(x)/n", "mean(x)", "x:n"),
    ("var(x)", "mean(x**2) - mean(x)**2", "x:n"), ("sum((x - mean(x))**2)", "x @ x - n*mean(x)**2", "x:n"),
    ("sum(x - mean(x))", "0", "x:n"), ("softmax(x)", "exp(x)/sum(exp(x))", "x:n"),
    ("log_softmax(x)", "x - logsumexp(x)", "x:n"), ("sum(softmax(x))", "1", "x:n"),
    ("logsumexp(x)", "log(sum(exp(x)))", "x:n"), ("softmax(x + c)", "softmax(x)", "x:n c:"),
    ("logsumexp(x + c)", "c + logsumexp(x)", "x:n c:"), ("sum(X, axis=0)", "ones(m) @ X", "X:m,n"),
    ("sum(X @ w)", "sum(X, axis=0) @ w", "X:m,n w:n"),
    ("A.T @ (A @ x - b)", "A.T @ A @ x - A.T @ b", "A:m,n x:n b:m"),
    ("X.T @ diag(d) @ X", "(X.T * d) @ X", "X:m,n d:m"), ("trace(outer(x, y))", "x @ y", "x:n y:n"),
    ("det(2*A)", "4*det(A)", "A:2,2"), ("norm(-x)", "norm(x)", "x:n"), ("norm(2*x)", "2*norm(x)", "x:n"),
]  # fmt: skip
# Near misses: a sign, a factor, an order.
FALSE = [
    ("sin(2*x)", "sin(x)*cos(x)", ""), ("cos(x + y)", "cos(x)*cos(y) + sin(x)*sin(y)", ""),
    ("cos(2*x)", "sin(x)**2 - cos(x)**2", ""), ("tan(x)**2 + 1", "cos(x)**2", ""),
    ("sinh(x + y)", "sinh(x)*cosh(y) - cosh(x)*sinh(y)", ""), ("tanh(x)", "2*sigmoid(x) - 1", ""),
    ("sigmoid(x)*(1 + sigmoid(x))", "exp(x)/(1 + exp(x))**2", ""), ("softplus(x)", "-log(sigmoid(x))", ""),
    ("log(x + y)", "log(x) + log(y)", ""), ("exp(x*y)", "exp(x)*exp(y)", ""), ("(x + y)**2", "x**2 + y**2", ""),
    ("1/(x + y)", "1/x + 1/y", ""), ("sqrt(x**2)", "x", ""), ("sqrt(x + y)", "sqrt(x) + sqrt(y)", ""),
    ("log(x)**2", "2*log(x)", ""), ("x**2*x**3", "x**6", ""), ("arctan2(y, x)", "arctan(y/x)", ""),
    ("maximum(x, y)", "minimum(x, y)", ""), ("abs(x + y)", "abs(x) + abs(y)", ""), ("floor(x + 1/2)", "rint(x)", ""),
    ("x/x", "1 + 0.000001", ""), ("erf(x)", "2*ndtr(x) - 1", ""), ("sum(x)**2", "sum(x**2)", "x:n"),
    ("A @ B", "B @ A", "A:n,n B:n,n"), ("A.T @ A", "A @ A.T", "A:n,n"),
    ("tr(A @ B @ C)", "tr(A @ C @ B)", "A:n,n B:n,n C:n,n"), ("(A @ B).T", "A.T @ B.T", "A:n,n B:n,n"),
    ("inv(A @ B)", "inv(A) @ inv(B)", "A:n,n B:n,n"), ("inv(A + B)", "inv(A) + inv(B)", "A:n,n B:n,n"),
    ("det(A + B)", "det(A) + det(B)", "A:n,n B:n,n"), ("det(2*A)", "2*det(A)", "A:2,2"),
    ("x @ A @ y", "y @ A @ x", "A:n,n x:n y:n"), ("outer(x, y)", "outer(y, x)", "x:n y:n"),
    ("A.T @ (A @ x - b)", "2*A.T @ (A @ x - b)", "A:m,n x:n b:m"), ("(A + A.T) @ x", "2*A @ x", "A:n,n x:n"),
    ("norm(x + y)", "norm(x) + norm(y)", "x:n y:n"), ("norm(A)**2", "det(A.T @ A)", "A:n,n"),
    ("kron(A, B)", "kron(B, A)", "A:2,2 B:2,2"), ("softmax(2*x)", "2*softmax(x)", "x:n"),
    ("mean(x**2)", "mean(x)**2", "x:n"), ("log_softmax(x)", "x - sum(x)", "x:n"),
]  # fmt: skip
OPEN = [
    ("inv(eye(n) + A)", "eye(n) - A @ inv(eye(n) + A)", "A:n,n"),
    ("det(eye(m) + A @ B)", "det(eye(n) + B @ A)", "A:m,n B:n,m"),
    ("kron(A, B) @ kron(C, D)", "kron(A @ C, B @ D)", "A:2,2 B:2,2 C:2,2 D:2,2"),
]  # fmt: skip
"""What is true and not proved."""


def verdict(a: str, b: str, shapes: str) -> Verdict:
    said = dict(part.split(":") for part in shapes.split())
    own = {name: shape for name, shape in said.items() if re.search(rf"\b{name}\b", a)}
    return sg.same(sg.parse(a, **own), b if len(own) == len(said) else sg.parse(b, **said), trials=16)


@pytest.mark.parametrize(("a", "b", "shapes"), SCALARS + ARRAYS)
def test_proved(a: str, b: str, shapes: str) -> None:
    found = verdict(a, b, shapes)
    assert found and found.proved, found


@pytest.mark.parametrize(("a", "b", "shapes"), FALSE)
def test_refuted(a: str, b: str, shapes: str) -> None:
    found = verdict(a, b, shapes)
    assert not found and found.proved and found.counterexample, found
    assert not np.allclose(found.left, found.right, rtol=1e-7, atol=0)


@pytest.mark.parametrize(("a", "b", "shapes"), OPEN)
def test_neither(a: str, b: str, shapes: str) -> None:
    found = verdict(a, b, shapes)
    assert found and "not proved" in str(found)


def test_rounding_refutes_nothing() -> None:
    assert verdict("A @ inv(A) - eye(n)", "A - A", "A:n,n")


def test_truth_values_are_compared() -> None:
    found = sg.same("x < y", "x <= y")
    assert not found and found.counterexample["x"] == found.counterexample["y"]
