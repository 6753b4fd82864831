"""The formulas of the gallery: what is derived, and the derivative as a textbook prints it.

Matrix identities are those of `matrix_identities.json`, each with its source (the Matrix Cookbook of Petersen and
Pedersen, 2012, ChainRules, matrixcalculus.org and others), a point, and values computed there with JAX.  The others
are standard results of calculus, statistics, machine learning and physics, written in the notation of `symgrad.parse`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gallery.exercises import EXERCISES

IDENTITIES = Path(__file__).parent / "matrix_identities.json"
KINDS = {"s": "symmetric", "p": "positive definite", "+": "positive"}


@dataclass(frozen=True)
class Formula:
    """One entry: the derivative of `formula` with respect to `wrt` is `textbook`."""

    group: str
    formula: str
    wrt: str
    textbook: str
    shapes: dict[str, str] = field(default_factory=dict)
    kind: str = "grad"
    assumed: dict[str, str] = field(default_factory=dict)
    point: dict[str, Any] = field(default_factory=dict)
    """Where the values are compared; random positive numbers where nothing is given."""
    value: Any = None
    """The value of the derivative at the point, where the source gives it."""


def _shapes(text: str) -> dict[str, str]:
    return dict(part.split(":") for part in text.split())


def _rows(group: str, rows: list[tuple[str, ...]]) -> list[Formula]:
    """Rows of formula, variable, textbook's derivative, then shapes, kind of derivative and what is assumed where they
    matter."""
    found = []
    for f, wrt, textbook, *rest in rows:
        shapes, kind, assumed = [*rest, *("", "grad", "")[len(rest) :]]
        found.append(Formula(group, f, wrt, textbook, _shapes(shapes), kind, _shapes(assumed)))
    return found


def matrix_identities() -> list[Formula]:
    """The identities of the file, first and second derivatives, with sizes named."""
    found = []
    for case in json.loads(IDENTITIES.read_text(encoding="utf-8"))["identities"]:
        names: dict[int, str] = {1: "1"}
        shapes = {}
        for name, shape in case["shapes"].items():
            for n in shape:
                names.setdefault(n, "nmpqk"[len(names) - 1])
            shapes[name] = ",".join(names[n] for n in shape)
        assumed = {name: KINDS[kind] for name, kind in case["kinds"].items()}
        kind = "jacobian" if case["value_shape"] else "grad"
        common = {"shapes": shapes, "assumed": assumed, "point": case["inputs"]}
        for which, text, value in ((kind, case["derivative"], case["derivative_value"]),
                                   ("hessian", case["hessian"], case.get("hessian_value"))):  # fmt: skip
            if text is not None and value is not None:
                text = text.replace("eye(4)", "eye(n)")
                found.append(Formula("Matrices", case["expr"], case["wrt"], text, kind=which, value=value, **common))
    return found


CALCULUS = _rows("Calculus", [
    ("x**n", "x", "n*x**(n - 1)"),
    ("x**x", "x", "x**x*(log(x) + 1)"),
    ("a**x", "x", "a**x*log(a)"),
    ("log(x)/x", "x", "(1 - log(x))/x**2"),
    ("exp(-x**2)", "x", "-2*x*exp(-x**2)"),
    ("sin(x)/x", "x", "(x*cos(x) - sin(x))/x**2"),
    ("tan(x)", "x", "1 + tan(x)**2"),
    ("arcsin(x)", "x", "1/sqrt(1 - x**2)"),
    ("arctan(x)", "x", "1/(1 + x**2)"),
    ("log(x + sqrt(x**2 + 1))", "x", "1/sqrt(x**2 + 1)"),
    ("sqrt(1 + x**2)", "x", "x/sqrt(1 + x**2)"),
    ("(1 + x)/(1 - x)", "x", "2/(1 - x)**2"),
    ("tanh(x)", "x", "1 - tanh(x)**2"),
    ("log(cosh(x))", "x", "tanh(x)"),
    ("exp(a*x)*sin(b*x)", "x", "exp(a*x)*(a*sin(b*x) + b*cos(b*x))"),
    ("log(sin(x))", "x", "cos(x)/sin(x)"),
    ("x*exp(-x)", "x", "(1 - x)*exp(-x)"),
    ("1/(1 + exp(-x))", "x", "sigmoid(x)*(1 - sigmoid(x))"),
    ("log(1 + exp(x))", "x", "sigmoid(x)"),
    ("(a*x + b)/(c*x + d)", "x", "(a*d - b*c)/(c*x + d)**2"),
    ("exp(x)*sin(x)", "x", "2*exp(x)*cos(x)", "", "hessian"),
    ("x**2*log(x)", "x", "2*log(x) + 3", "", "hessian"),
    ("exp(-x**2/2)", "x", "(x**2 - 1)*exp(-x**2/2)", "", "hessian"),
    ("1/(1 + x**2)", "x", "(6*x**2 - 2)/(1 + x**2)**3", "", "hessian"),
    ("arctan(y/x)", "x", "-y/(x**2 + y**2)"),
    ("x*log(x) - x", "x", "log(x)"),
    ("sinh(x)**2", "x", "2*sinh(x)*cosh(x)"),
    ("(x**2 + 1)**3", "x", "6*x*(x**2 + 1)**2"),
    ("log(tan(x/2))", "x", "1/sin(x)"),
    ("erf(x)", "x", "2*exp(-x**2)/sqrt(pi)"),
    ("x/(1 + x**2)", "x", "(1 - x**2)/(1 + x**2)**2"),
    ("abs(x)", "x", "sign(x)"),
    ("sin(x)**2*cos(y)", "x", "2*sin(x)*cos(x)*cos(y)"),
    ("sqrt(x + sqrt(x))", "x", "(1 + 1/(2*sqrt(x)))/(2*sqrt(x + sqrt(x)))"),
    ("x**3*exp(2*x)", "x", "x**2*(2*x + 3)*exp(2*x)"),
    ("log((1 + x)/(1 - x))", "x", "2/(1 - x**2)"),
    ("arccos(x)", "x", "-1/sqrt(1 - x**2)"),
    ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", "x", "1 - tanh(x)**2"),
])  # fmt: skip

STATISTICS = _rows("Statistics", [
    ("-(x - mu)**2/(2*s**2) - log(s)", "mu", "(x - mu)/s**2"),
    ("-(x - mu)**2/(2*s**2) - log(s)", "s", "(x - mu)**2/s**3 - 1/s"),
    ("exp(-(x - mu)**2/(2*s**2))/(s*sqrt(2*pi))", "x",
     "-(x - mu)*exp(-(x - mu)**2/(2*s**2))/(s**3*sqrt(2*pi))"),
    ("k*log(lam) - lam", "lam", "k/lam - 1"),
    ("y*log(p) + (1 - y)*log(1 - p)", "p", "(y - p)/(p*(1 - p))"),
    ("k*log(lam) - lam*sum(x)", "lam", "k/lam - sum(x)", "x:n"),
    ("a*log(b) - gammaln(a) + (a - 1)*log(x) - b*x", "a", "log(b) - digamma(a) + log(x)"),
    ("mean((x - mean(x))**2)", "x", "2*(x - mean(x))/n", "x:n"),
    ("sum((x - mean(x))**2)", "x", "2*(x - mean(x))", "x:n"),
    ("-sum((x - mu)**2)/(2*s**2) - n*log(s)", "mu", "sum(x - mu)/s**2", "x:n"),
    ("-sum((x - mu)**2)/(2*s**2) - n*log(s)", "s", "sum((x - mu)**2)/s**3 - n/s", "x:n"),
    ("sum(y*(X @ w) - log(1 + exp(X @ w)))", "w", "X.T @ (y - sigmoid(X @ w))", "X:m,n y:m w:n"),
    ("sum(log(1 + exp(X @ w)) - y*(X @ w))", "w",
     "X.T @ diag(sigmoid(X @ w)*(1 - sigmoid(X @ w))) @ X", "X:m,n y:m w:n", "hessian"),
    ("sum(exp(X @ w) - y*(X @ w))", "w", "X.T @ (exp(X @ w) - y)", "X:m,n y:m w:n"),
    ("sum(exp(X @ w) - y*(X @ w))", "w", "X.T @ diag(exp(X @ w)) @ X", "X:m,n y:m w:n", "hessian"),
    ("-log(1 + ((x - m)/g)**2)", "m", "2*(x - m)/(g**2 + (x - m)**2)"),
    ("(x - m) @ inv(S) @ (x - m)", "x", "(inv(S) + inv(S).T) @ (x - m)", "x:n m:n S:n,n"),
    ("log(p/(1 - p))", "p", "1/(p*(1 - p))"),
    ("-sum(p*log(p))", "p", "-log(p) - 1", "p:n"),
    ("sum(p*log(p/q))", "q", "-p/q", "p:n q:n"),
    ("sum(p*log(p/q))", "p", "log(p/q) + 1", "p:n q:n"),
    ("-(v + 1)/2*log(1 + x**2/v)", "x", "-(v + 1)*x/(v + x**2)"),
    ("sqrt(mean((x - y)**2))", "x", "(x - y)/(n*sqrt(mean((x - y)**2)))", "x:n y:n"),
    ("a*log(x) + b*log(1 - x)", "x", "a/x - b/(1 - x)"),
    ("1 - exp(-(x/l)**k)", "x", "k*(x/l)**k*exp(-(x/l)**k)/x"),
])  # fmt: skip

LEARNING = _rows("Machine learning", [
    ("sum((X @ w - y)**2)/2 + lam/2*norm(w)**2", "w", "X.T @ (X @ w - y) + lam*w", "X:m,n w:n y:m"),
    ("sum((X @ w - y)**2)/2 + lam/2*norm(w)**2", "w", "X.T @ X + lam*eye(n)", "X:m,n w:n y:m", "hessian"),
    ("sum(log(1 + exp(-y*(X @ w))))", "w", "-X.T @ (y*sigmoid(-y*(X @ w)))", "X:m,n w:n y:m"),
    ("mean((X @ w - y)**2)", "w", "2*X.T @ (X @ w - y) / m", "X:m,n w:n y:m"),
    ("logsumexp(z) - y @ z", "z", "softmax(z) - y", "z:n y:n"),
    ("logsumexp(z) - y @ z", "z", "diag(softmax(z)) - outer(softmax(z), softmax(z))", "z:n y:n", "hessian"),
    ("logsumexp(X @ w)", "w", "X.T @ softmax(X @ w)", "X:m,n w:n"),
    ("softmax(x)", "x", "diag(softmax(x)) - outer(softmax(x), softmax(x))", "x:n", "jacobian"),
    ("sigmoid(x)", "x", "diag(sigmoid(x)*(1 - sigmoid(x)))", "x:n", "jacobian"),
    ("sum(relu(W @ x))", "x", "W.T @ (W @ x > 0)", "W:m,n x:n"),
    ("sum(relu(1 - y*(X @ w)))", "w", "-X.T @ (y*(y*(X @ w) < 1))", "X:m,n w:n y:m"),
    ("exp(-norm(x - c)**2/(2*s**2))", "x", "(c - x)*exp(-norm(x - c)**2/(2*s**2))/s**2", "x:n c:n"),
    ("x @ y/(norm(x)*norm(y))", "x", "y/(norm(x)*norm(y)) - (x @ y)*x/(norm(x)**3*norm(y))", "x:n y:n"),
    ("x/norm(x)", "x", "eye(n)/norm(x) - outer(x, x)/norm(x)**3", "x:n", "jacobian"),
    ("norm(x)", "x", "x/norm(x)", "x:n"),
    ("x*sigmoid(x)", "x", "sigmoid(x) + x*sigmoid(x)*(1 - sigmoid(x))"),
    ("x*ndtr(x)", "x", "ndtr(x) + x*exp(-x**2/2)/sqrt(2*pi)"),
    ("sum((A - U @ V.T)**2)", "U", "2*(U @ V.T - A) @ V", "A:m,n U:m,k V:n,k"),
    ("sum((A - U @ V.T)**2)", "V", "2*(U @ V.T - A).T @ U", "A:m,n U:m,k V:n,k"),
    ("sum((W @ tanh(V @ x) - y)**2)", "V", "2*outer((W.T @ (W @ tanh(V @ x) - y))*(1 - tanh(V @ x)**2), x)",
     "W:m,h V:h,n x:n y:m"),
    ("logdet(K + s*eye(n))", "s", "trace(inv(K + s*eye(n)))", "K:n,n s:"),
    ("x @ A @ x/(x @ x)", "x", "(A + A.T) @ x / (x @ x) - 2*(x @ A @ x)*x/(x @ x)**2", "A:n,n x:n"),
    ("sum(where(abs(r) <= d, r**2/2, d*(abs(r) - d/2)))", "r", "where(abs(r) <= d, r, d*sign(r))", "r:n d:"),
    ("sum(maximum(q*r, (q - 1)*r))", "r", "where(r > 0, q, q - 1)", "r:n q:"),
    ("sum(log(cosh(X @ w - y)))", "w", "X.T @ tanh(X @ w - y)", "X:m,n w:n y:m"),
    ("norm(X @ w - y)", "w", "X.T @ (X @ w - y) / norm(X @ w - y)", "X:m,n w:n y:m"),
    ("-sum(Y*log_softmax(X @ W))", "W", "X.T @ (sum(Y, axis=1)[:, None]*softmax(X @ W) - Y)", "X:m,n W:n,k Y:m,k"),
    ("sum(sigmoid(W @ x + b))", "b", "sigmoid(W @ x + b)*(1 - sigmoid(W @ x + b))", "W:m,n x:n b:m"),
    ("prod(x)", "x", "prod(x)/x", "x:n"),
    ("tr(inv(X) @ A)", "X", "-(inv(X) @ A @ inv(X)).T", "X:n,n A:n,n"),
])  # fmt: skip

PHYSICS = _rows("Physics", [
    ("m*v**2/2", "v", "m*v"),
    ("4*eps*((s/r)**12 - (s/r)**6)", "r", "24*eps*((s/r)**6 - 2*(s/r)**12)/r"),
    ("k*q*Q/r", "r", "-k*q*Q/r**2"),
    ("-G*m*M/norm(x)", "x", "G*m*M*x/norm(x)**3", "x:3"),
    ("k/2*(norm(x) - l)**2", "x", "k*(norm(x) - l)*x/norm(x)", "x:3"),
    ("1/(exp(h*f/(k*T)) - 1)", "T", "h*f*exp(h*f/(k*T))/(k*T**2*(exp(h*f/(k*T)) - 1)**2)"),
    ("1/(exp((E - mu)/(k*T)) + 1)", "E", "-exp((E - mu)/(k*T))/(k*T*(exp((E - mu)/(k*T)) + 1)**2)"),
    ("n*R*T/V", "V", "-n*R*T/V**2"),
    ("R*T/(V - b) - a/V**2", "V", "2*a/V**3 - R*T/(V - b)**2"),
    ("D*(1 - exp(-a*(r - b)))**2", "r", "2*a*D*(1 - exp(-a*(r - b)))*exp(-a*(r - b))"),
    ("m*c**2/sqrt(1 - v**2/c**2)", "v", "m*v/(1 - v**2/c**2)**1.5"),
    ("m*g*l*(1 - cos(theta))", "theta", "m*g*l*sin(theta)"),
    ("U*(1 - exp(-t/(R*C)))", "t", "U*exp(-t/(R*C))/(R*C)"),
    ("A*exp(-g*t)*cos(w*t)", "t", "-A*exp(-g*t)*(g*cos(w*t) + w*sin(w*t))"),
    ("u*log(m/(m - k*t))", "t", "k*u/(m - k*t)"),
    ("1/(1/a + 1/b)", "a", "b**2/(a + b)**2"),
    ("A*exp(-E/(R*T))", "T", "A*E*exp(-E/(R*T))/(R*T**2)"),
    ("k*p/(1 + k*p)", "p", "k/(1 + k*p)**2"),
    ("V*s/(K + s)", "s", "K*V/(K + s)**2"),
    ("r*N*(1 - N/K)", "N", "r*(1 - 2*N/K)"),
    ("v**2*sin(2*a)/g", "a", "2*v**2*cos(2*a)/g"),
    ("E - ecc*sin(E)", "E", "1 - ecc*cos(E)"),
    ("f*sqrt((c + v)/(c - v))", "v", "c*f/((c - v)*sqrt(c**2 - v**2))"),
    ("2*pi*sqrt(l/g)", "l", "pi/sqrt(l*g)", "", "grad", "l:positive g:positive"),
    ("G*m/r - l**2/(2*m*r**2)", "r", "l**2/(m*r**3) - G*m/r**2"),
    ("p @ p/(2*m) + k*(x @ x)/2", "p", "p/m", "p:3 x:3"),
    ("-mu @ B", "B", "-mu", "mu:3 B:3"),
    ("w @ J @ w/2", "w", "(J + J.T) @ w / 2", "w:3 J:3,3"),
])  # fmt: skip

FURTHER = [f for group, rows in EXERCISES.items() for f in _rows(group, rows)]
GALLERY = [*matrix_identities(), *CALCULUS, *STATISTICS, *LEARNING, *PHYSICS, *FURTHER]
