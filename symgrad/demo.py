"""`symgrad demo`: from a formula to derivatives, machine code and a fitted model, on Fisher's Iris data.

Everything printed is computed or measured in this run.
"""

from __future__ import annotations

import math
import textwrap
import time
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

from . import __version__
from .api import compile
from .data import load_iris
from .expression import FUNCTIONS, Expr
from .fitting import fit
from .function import Function
from .initialisation import init
from .parser import parse

Array = np.ndarray[Any, np.dtype[np.float64]]

LOSS = "mean(logsumexp(X @ W, axis=1) - sum(Y*(X @ W), axis=1)) + lam/2*sum(W**2)"
SHAPES = {"W": "5,3", "X": "m,5", "Y": "m,3", "lam": ""}
PENALTY = 1e-3
SMALL_ENOUGH = 1e-10
HELD_OUT = 30
EPOCHS, BATCH, RATE = 200, 15, 0.1
WIDTH = 100


def run() -> None:
    """Prints the demo; some seconds."""
    X, Y = flowers()
    print(f"symgrad {__version__} on Fisher's Iris data: {len(X)} flowers, 4 lengths, 3 species")
    loss = show_formulas()
    f = show_compiled(loss, X, Y)
    show_newton(f, X, Y)
    show_network(X, Y)
    show_speed(f, X, Y)


def flowers() -> tuple[Array, Array]:
    """Standardised lengths with a column of ones, and the species as unit vectors."""
    features, species, _ = load_iris()
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    return np.column_stack([scaled, np.ones(len(scaled))]), np.eye(3)[species]


def title(number: int, text: str) -> None:
    print(f"\n{number}. {text}\n")


def line(name: str, text: object) -> None:
    """A labelled line; long formulas go on below."""
    print(textwrap.fill(f"{name:14}{text}", WIDTH, initial_indent="   ", subsequent_indent=" " * 17,
                        break_long_words=False, break_on_hyphens=False))  # fmt: skip


# ---- the formulas and the compiled functions

def show_formulas() -> Expr:
    title(1, "A loss as a person writes it, and the formulas that follow: softmax regression with an L2 penalty")
    loss = parse(LOSS, **SHAPES)
    line("shapes", "W is 5 × 3; X is m × 5 with ones in its last column; Y is m × 3, one row per flower")
    line("loss", loss)
    line("gradient", loss.grad("W"))
    line("Hessian", loss.hessian("W"))
    return loss


def show_compiled(loss: Expr, X: Array, Y: Array) -> Function:
    title(2, "The same as machine code, for any number of flowers, checked against complex step in NumPy")
    started = time.perf_counter()
    f: Function = compile(loss, wrt="W")
    W = np.random.default_rng(0).normal(size=(5, 3))
    gradient, hessian = f.grad(W, X, Y, PENALTY), f.hessian(W, X, Y, PENALTY)
    line("compiled", f"gradient and Hessian in {time.perf_counter() - started:.2f} s, the derivation included")
    expected = complex_step(lambda W: numpy_loss(W, X, Y, PENALTY), W)
    line("gradient", f"largest error {relative_error(gradient, expected):.1e} of its largest entry")
    expected = np.moveaxis(complex_step(lambda W: numpy_gradient(W, X, Y, PENALTY), W), (0, 1), (2, 3))
    line("Hessian", f"largest error {relative_error(hessian, expected):.1e} of its largest entry")
    return f


def numpy_loss(W: Any, X: Array, Y: Array, lam: float) -> Any:
    """The loss written with NumPy for complex step: of complex W too."""
    Z = X @ W
    return (np.log(np.exp(Z).sum(axis=1)) - (Y * Z).sum(axis=1)).mean() + lam / 2 * (W**2).sum()


def numpy_gradient(W: Any, X: Array, Y: Array, lam: float) -> Any:
    """Its gradient, by hand."""
    E = np.exp(X @ W)
    return X.T @ (E / E.sum(axis=1, keepdims=True) - Y) / len(X) + lam * W


def complex_step(f: Callable[[Any], Any], W: Array) -> Array:
    """The derivatives of `f` by each entry of `W`, which come first, exact to rounding: f'(w) is Im f(w + ih) / h."""
    steps = 1e-30j * np.eye(W.size).reshape(W.size, *W.shape)
    return np.array([f(W + step).imag / 1e-30 for step in steps]).reshape(*W.shape, *np.shape(f(W)))


def relative_error(found: Array, expected: Array) -> float:
    return float(abs(found - expected).max() / abs(expected).max())


# ---- fitting

def show_newton(f: Function, X: Array, Y: Array) -> None:
    title(3, f"Newton's method with the compiled Hessian, until |gradient| < {SMALL_ENOUGH:g}")
    W = np.zeros((5, 3))
    print("   iteration            loss     |gradient|")
    for iteration in range(50):
        value, gradient = f.value_and_grad(W, X, Y, PENALTY)
        size = float(np.linalg.norm(gradient))
        print(f"   {iteration:9}  {value:.12f}     {size:.3e}")
        if size < SMALL_ENOUGH:
            break
        hessian = f.hessian(W, X, Y, PENALTY).reshape(W.size, W.size)
        W = W - np.linalg.solve(hessian, gradient.ravel()).reshape(W.shape)
    print()
    line("Newton", f"{iteration} iterations; {correct(X @ W, Y):.1%} of the {len(X)} flowers named correctly")


def correct(scores: Array, Y: Array) -> float:
    """The share of rows in which the largest score stands where `Y` has its 1."""
    return float((scores.argmax(axis=1) == Y.argmax(axis=1)).mean())


def network(X: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """Scores of the three species: 4 lengths, 16 hidden units, 3 outputs."""
    return np.tanh(X @ W1 + b1) @ W2 + b2


def network_loss(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    """Cross-entropy of the network's softmax."""
    Z = network(X, W1, b1, W2, b2)
    return np.mean(FUNCTIONS["logsumexp"](Z, axis=1) - np.sum(Y * Z, axis=1))


def show_network(X: Array, Y: Array) -> None:
    title(4, "A 4-16-3 network, written as a NumPy function, by minibatch gradient descent")
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(X))
    held_out, training = shuffled[:HELD_OUT], shuffled[HELD_OUT:]
    X = np.ascontiguousarray(X[:, :4])
    start = init({"W1": (4, 16), "b1": 16, "W2": (16, 3), "b2": 3})
    found = fit(network_loss, start, (X[training], Y[training]), method="sgd", rate=RATE, batch=BATCH, epochs=EPOCHS)
    losses = found.history.loss
    line("training", f"{found.steps} steps of {BATCH} flowers in {found.history.seconds[-1]:.2f} s with compiling; "
                     f"loss {losses[0]:.3f} → {losses[-1]:.3f}")  # fmt: skip
    seen, unseen = (correct(network(X[rows], **found.params), Y[rows]) for rows in (training, held_out))
    line("network", f"{unseen:.1%} of {HELD_OUT} held-out flowers named correctly "
                    f"({seen:.1%} of the {len(training)} it saw)")  # fmt: skip


# ---- speed

def show_speed(f: Function, X: Array, Y: Array) -> None:
    title(5, "One call for value and gradient of the softmax regression, measured now")
    W = np.random.default_rng(1).normal(size=(5, 3))
    for copies in (1, 100):
        arguments = W, np.tile(X, (copies, 1)), np.tile(Y, (copies, 1)), PENALTY
        ours, theirs = seconds(f.value_and_grad, *arguments), seconds(numpy_value_and_grad, *arguments)
        line(f"{copies * len(X):,} rows", f"symgrad {duration(ours)}, NumPy by hand {duration(theirs)}; "
                                          f"NumPy / symgrad = {theirs / ours:.2g}")


def numpy_value_and_grad(W: Array, X: Array, Y: Array, lam: float) -> tuple[float, Array]:
    """Value and gradient as a careful person writes them in NumPy: stable, nothing computed twice, few temporaries."""
    Z = X @ W
    Z -= Z.max(axis=1, keepdims=True)
    picked = np.vdot(Y, Z)
    np.exp(Z, out=Z)
    total = Z.sum(axis=1, keepdims=True)
    value = (np.log(total).sum() - picked) / len(X) + lam / 2 * np.vdot(W, W)
    Z /= total
    Z -= Y
    gradient = X.T @ Z
    gradient /= len(X)
    gradient += lam * W
    return float(value), gradient


def seconds(f: Callable[..., object], *arguments: object) -> float:
    """The best time of one call in several rounds of about 20 ms."""
    timer = timeit.Timer(lambda: f(*arguments))
    count = max(1, math.ceil(0.02 / min(timer.repeat(3, 1))))
    return min(timer.repeat(15, count)) / count


def duration(time: float) -> str:
    """A time in words: three digits and a unit."""
    return f"{time * 1e6:.3g} µs" if time < 1e-3 else f"{time * 1e3:.3g} ms"


__all__ = ["run"]
