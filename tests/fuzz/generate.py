"""Random formulas and the arrays to try them on.

Everything is chosen by `choose(n)`, a number below n: hypothesis draws it in the tests, so that what fails shrinks (0
is the simplest choice); a seeded generator draws it in campaigns, which are much faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Choose = Callable[[int], int]
SHAPES = {"x": "n", "y": "n", "z": "m", "A": "m,n", "B": "n,n", "s": "", "t": ""}
SIZES = (3, 1, 2, 0, 5)

ANY = (
    "sin({0})", "cos({0})", "tanh({0})", "sigmoid({0})", "exp(-{0}**2)", "log(1 + {0}**2)", "sqrt(1 + {0}**2)",
    "arctan({0})", "softplus({0})", "abs({0})", "relu({0})", "{0}**2", "{0}**3", "-{0}", "expm1(sin({0}))", "erf({0})",
    "1/(2 + cos({0}))", "log(1 + exp({0}))", "exp(tanh({0}))", "clip({0}, -1, 1)", "sign({0})", "floor({0})",
    "log(sigmoid({0}))", "1 - sigmoid({0})", "sinh(sin({0}))", "log1p({0}**2)", "2*{0} + 1", "{0}/3",
)  # fmt: skip
BINARY = (
    "({0} + {1})", "({0} - {1})", "{0}*{1}", "{0}/(1 + {1}**2)", "maximum({0}, {1})", "minimum({0}, {1})",
    "where({0} < {1}, {0}, {1}**2)", "hypot({0}, {1})", "logaddexp({0}, {1})", "arctan2({0}, 2 + {1}**2)",
    "(1 + {0}**2)**tanh({1})", "where({0} > 0, sqrt(abs({0})), {1})", "xlogy({0}**2, 1 + {1}**2)",
)  # fmt: skip
OF_KIND: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("sum({0})", "n"), ("mean(2*{0})", "n3"), ("norm({0})", "n"), ("logsumexp({0})", "n1"), ("max({0})", "n1"),
        ("min({0})", "n1"), ("dot({0}, {1})", "n,n"), ("prod(1 + {0}/4)", "n"), ("sum({0}**2)", "m"),
        ("{0}' @ {1} @ {2}", "m,mn,n"), ("trace({0})", "nn"), ("sum({0}*{1})", "mn,mn"), ("var({0})", "n1"),
        ("sum({0}[1:] - {0}[:-1])", "n1"), ("{0}' @ {1} @ {0}", "n,nn"), ("sum(log(sum(exp({0}), axis=1)))", "mn1"),
    ),
    "n": (
        ("{0}*{1}", ",n"), ("{0}' @ {1}", "mn,m"), ("{0} @ {1}", "nn,n"), ("cumsum({0})", "n"), ("sort({0})", "n"),
        ("{0}[::-1]", "n"), ("softmax({0})", "n1"), ("sum({0}, axis=0)", "mn"), ("diagonal({0})", "nn"),
        ("{0}/(1 + norm({0}))", "n"), ("roll({0}, 1)", "n"), ("max({0}, axis=0)", "m1n"),
    ),
    "m": (("{0} @ {1}", "mn,n"), ("sum({0}, axis=1)", "mn"), ("{0} + {1}", ",m"), ("logsumexp({0}, axis=1)", "mn1")),
    "mn": (("outer({0}, {1})", "m,n"), ("{0} @ {1}", "mn,nn"), ("{0} + {1}", "mn,n"), ("softmax({0}, axis=1)", "mn1"),
           ("{0}*{1}", ",mn")),
    "nn": (("outer({0}, {1})", "n,n"), ("{0} @ {1}", "nn,nn"), ("{0}.T", "nn"), ("{0}' @ {0}", "mn"),
           ("diag({0})", "n")),
}  # fmt: skip
"""How a value of each kind is made of values of other kinds.  A 1 in a kind says that the axis must not be empty, a 3
the same where an empty one would give 0/0."""
LEAVES = {
    "": ("s", "t", "1.5", "0.5"), "n": ("x", "y", "x", "y"), "m": ("z", "z", "z", "z"), "mn": ("A", "A", "A", "A"),
    "nn": ("B", "B", "B", "B"),
}  # fmt: skip


class Formula:
    """A random formula: its text, and the axes that must not be empty."""

    def __init__(self, choose: Choose, depth: int = 4) -> None:
        self.choose = choose
        self.not_empty: set[str] = set()
        self.text = self.of("", depth)

    def of(self, kind: str, depth: int) -> str:
        """The text of a value of `kind`."""
        if any(c in kind for c in "13"):
            self.not_empty.update("m" if "m1" in kind else "n")
            kind = kind.replace("1", "").replace("3", "")
        which = self.choose(4) if depth else 0
        if which == 0:
            return LEAVES[kind][self.choose(4)]
        if which == 1:
            return ANY[self.choose(len(ANY))].format(self.bracketed(kind, depth - 1))
        if which == 2:
            form = BINARY[self.choose(len(BINARY))]
            return form.format(self.bracketed(kind, depth - 1), self.bracketed(kind, depth - 1))
        form, kinds = OF_KIND[kind][self.choose(len(OF_KIND[kind]))]
        return form.format(*(self.bracketed(k, depth - 1) for k in kinds.split(",")))

    def bracketed(self, kind: str, depth: int) -> str:
        """The same with brackets around what is more than a name."""
        text = self.of(kind, depth)
        return text if text.isidentifier() else f"({text})"


def sizes(choose: Choose, not_empty: set[str]) -> tuple[int, int]:
    """Numbers for n and m."""
    n, m = SIZES[choose(len(SIZES))], SIZES[choose(len(SIZES))]
    return max(n, int("n" in not_empty)), max(m, int("m" in not_empty))


def arrays(choose: Choose, shape: tuple[int, int], rng: np.random.Generator) -> dict[str, Any]:
    """Values of the symbols for n and m: ordinary numbers, ties and zeros, and any strides."""
    n, m = shape
    numbers = {"n": (n,), "m": (m,), "m,n": (m, n), "n,n": (n, n), "": ()}
    spread = choose(4)
    return {name: _strided(choose(5), _numbers(spread, numbers[shape], rng)) for name, shape in SHAPES.items()}


def _numbers(spread: int, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    if spread == 0:
        return rng.uniform(-2, 2, shape)
    if spread == 1:
        return rng.choice([-1.5, 0.25, 0.5, 2.0], shape)
    if spread == 2:
        return rng.choice([0.0, 1.0, -1.0], shape)
    return rng.normal(size=shape).astype(np.float32)


def _strided(how: int, a: Any) -> Any:
    """The same numbers in other memory."""
    a = np.asarray(a)
    if how == 1 and a.ndim:
        wide = np.zeros((2 * a.shape[0], *a.shape[1:]), a.dtype)
        wide[::2] = a
        return wide[::2]
    if how == 2:
        return np.asfortranarray(a).reshape(a.shape)
    if how == 3 and a.ndim:
        return np.ascontiguousarray(a[::-1])[::-1]
    return a.tolist() if how == 4 and a.size and a.dtype == np.float64 else a
