"""The grammar of formulas, what their values are, and where errors point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symgrad as sg

rng = np.random.default_rng(5)
m, n = 4, 3
SHAPES = {"X": "m,n", "A": "n,n", "w": "n", "y": "m", "k": "i64[n]", "lam": "", "t": ""}
VALUES: dict[str, Any] = {
    "X": rng.normal(size=(m, n)),
    "A": rng.normal(size=(n, n)),
    "w": rng.normal(size=n),
    "y": rng.normal(size=m),
    "k": np.array([2, 0, -1]),
    "lam": 0.7,
    "t": -1.3,
}
X, A, w, y, k, lam, t = VALUES.values()

# Text, and the same in NumPy.
MEANINGS: dict[str, Any] = {
    # precedence and association, as in Python
    "2 + 3*lam**2": 2 + 3 * lam**2,
    "-lam**2": -(lam**2),
    "2**-lam": 2**-lam,
    "lam**2**3": lam**8,
    "lam^2^3": lam**8,
    "-lam^2": -(lam**2),
    "2^-lam*3": 2**-lam * 3,
    "8/2/2*lam": 2 * lam,
    "8 - 2 - 2 + lam": 4 + lam,
    "7 // 2 * lam": 3 * lam,
    "-7 % 3 + lam": 2 + lam,
    "lam - -t": lam + t,
    "--lam": lam,
    "+lam": lam,
    "(lam + t)*2": (lam + t) * 2,
    "lam\n + t": lam + t,
    "1_000*lam + .5 + 5. + 1e-3": 1000 * lam + 5.501,
    "1/3*lam": 1 / 3 * lam,
    # comparisons, logic, choice
    "t < 0 < lam": True,
    "t < 0 < t": False,
    "t == t != lam": True,
    "not t > 0 and lam > 0": True,
    "t > 0 or not lam < 0": True,
    "(t > 0) | ~(lam > 0)": False,
    "(w > 0) & (w < 1)": (w > 0) & (w < 1),
    "lam if t > 0 else t if lam > 0 else 5": t,
    "(lam if t < 0 else t) + 1": lam + 1,
    "w if w > 0 else -w": abs(w),
    "where(w > 0, w, 0)": np.where(w > 0, w, 0),
    "2 if 1 < 2 else lam": 2,
    "2 if not True else lam": lam,
    # products and transposes
    "w' @ A @ w": w @ A @ w,
    "X' @ y": X.T @ y,
    "X'' - X.T.T": 0 * X,
    "(A + A')'": A + A.T,
    "A'*2": 2 * A.T,
    "A' [0]": A.T[0],
    "X.T @ X": X.T @ X,
    "X @ w - y": X @ w - y,
    "X*w": X * w,
    # calls and methods
    "sum(X, axis=0)": X.sum(0),
    "sum(X, 1, keepdims=True)": X.sum(1, keepdims=True),
    "X.sum(axis=(0, 1),)": X.sum(),
    "X.mean()": X.mean(),
    "X.reshape(m*n)": X.reshape(-1),
    "X.reshape((n, m)).T": X.reshape(n, m).T,
    "w.dot(w)": w @ w,
    "(A@w).max()": (A @ w).max(),
    "norm(w, ord=1)": abs(w).sum(),
    "norm(A, 'fro')": np.linalg.norm(A),
    'einsum("ij,kj->ik", X, A)': X @ A.T,
    "einsum('ij -> ji', X)": X.T,
    "max(w)": w.max(),
    "max(lam, t)": lam,
    "clip(w, -0.5, 0.5)": w.clip(-0.5, 0.5),
    "array([lam, t, 1])": np.array([lam, t, 1]),
    "[[lam, t], [1, 2]] @ [1, 1]": np.array([lam + t, 3]),
    "concatenate([w, [lam]])": np.append(w, lam),
    "stack([w, 2*w], axis=1)": np.stack([w, 2 * w], 1),
    "sum([])": 0,
    # indices
    "w[0] + w[-1]": w[0] + w[-1],
    "X[1]": X[1],
    "X[1, 2]": X[1, 2],
    "X[:, 0]": X[:, 0],
    "X[1:, ::-1]": X[1:, ::-1],
    "X[-2:, :-1]": X[-2:, :-1],
    "X[::2]": X[::2],
    "X[...]": X,
    "X[..., 0]": X[..., 0],
    "w[:, None] - w[None, :]": w[:, None] - w,
    "w[n - 1]": w[-1],
    "w[1:n]": w[1:],
    "w[k]": w[k],
    "w[[2, 0]]": w[[2, 0]],
    "X[:, k][0]": X[0, k],
    "eigh(A + A')[0]": np.linalg.eigvalsh(A + A.T),
    # names
    "sum(w)/n": w.mean(),
    "m*n + 0*lam": 12,
    "eye(n) + A": np.eye(n) + A,
    "pi*lam + e": np.pi * lam + np.e,
    "π*lam": np.pi * lam,
    "-inf*lam": -np.inf,
    "nan*lam": np.nan,
    # tails
    "s*2 where s = lam + t": (lam + t) * 2,
    "s@s where s = A @ v, v = w*2": 4 * (A @ w) @ (A @ w),
    "s where v = s2*2, s = v + 1, s2 = lam": 2 * lam + 1,
    "where(s, 1, 2) where s = t > 0": 2,
    "sum(e) where e = exp(w)": np.exp(w).sum(),
}


@pytest.mark.parametrize("text", MEANINGS)
def test_meaning(text: str) -> None:
    f = sg.parse(text, **SHAPES)
    value = f(**{name: VALUES[name] for name in f.shapes})
    np.testing.assert_allclose(value, MEANINGS[text], rtol=1e-14, atol=1e-15)
    assert np.shape(value) == np.shape(MEANINGS[text])


def test_symbols_in_order() -> None:
    f = sg.parse("b*x + a where x = c @ c", c="n", unused="", a="f32[]")
    assert list(f.shapes) == ["c", "unused", "a", "b"]
    assert f.shapes["a"].startswith("f32")


@pytest.mark.parametrize(
    ("text", "shapes", "names"),
    [
        ("e*x + pi", {}, ["x"]),
        ("e*x", {"e": ""}, ["e", "x"]),
        ("pi", {"pi": ""}, ["pi"]),
        ("sum + x", {"sum": ""}, ["sum", "x"]),
        ("sum(sum)", {"sum": "n"}, ["sum"]),
        ("gamma*beta", {}, ["gamma", "beta"]),
        ("n*x", {"x": "n"}, ["x"]),
        ("n*x", {"x": "n", "n": ""}, ["x", "n"]),
        ("s where s = q", {}, ["q"]),
        ("λ*θ_1", {}, ["λ", "θ_1"]),
        ("x where pi = 3, x = pi", {}, []),
    ],
)
def test_what_names_mean(text: str, shapes: dict[str, str], names: list[str]) -> None:
    assert list(sg.parse(text, **shapes).shapes) == names


def test_numbers_are_numbers() -> None:
    """What is said of numbers alone is computed as Python does it."""
    x = sg.scalar("x")
    assert sg.parse("2*3*x").node is (6 * x).node
    assert sg.parse("(2 + 3)**2*x - 2**-1").node is (25 * x - 0.5).node
    assert sg.parse("sqrt(2*pi)*x").node is (np.sqrt(2 * np.pi) * x).node
    assert sg.parse("2**100*x").node is (2**100 * x).node
    assert sg.parse("maximum(2, 3)*x").node is (3 * x).node
    assert sg.parse("X/2", X="f32[n]").dtype == "f32"


SUM = "sum(x, axis=None, dtype=None, *, keepdims=False, initial=None, where=None)"
ERRORS = {
    "sum((X @ y)**2)": """
        ShapeError: matmul: inner sizes differ: X is f64[m, n], y is f64[m]
            sum((X @ y)**2)
                 ^^^^^""",
    "1 + sigmod(lam)": """
        ParseError: sigmod is not a function of formulas; did you mean sigmoid or log_sigmoid?
            1 + sigmod(lam)
                ^^^^^^""",
    "X.sume()": """
        ParseError: sume is not a method of formulas; did you mean sum?
            X.sume()
              ^^^^""",
    "(lam +\n  2*sum(w, axis=1))": """
        ShapeError: sum: axis 1 is out of range for f64[n]
              2*sum(w, axis=1))
                ^^^^^^^^^^^^^^""",
    "sum(w, axes=0)": """
        ArgumentError: sum: got an unexpected keyword argument 'axes': SUM
            sum(w, axes=0)
            ^^^^^^^^^^^^^^""",
    "2(lam)": """
        ParseError: expected an operator, found (: write * for a product
            2(lam)
             ^""",
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors_point_at_the_text(text: str) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        sg.parse(text, **SHAPES)
    lines = ERRORS[text].strip("\n").replace("SUM", SUM).split("\n")
    expected = "\n".join(line[8:] for line in lines)
    assert f"{type(caught.value).__name__}: {caught.value}" == expected


def test_elementwise_product_of_what_does_not_fit() -> None:
    with pytest.raises(sg.ShapeError, match="\\* multiplies element by element, the matrix product is @") as caught:
        sg.parse("1 + y' * X * y", **SHAPES)
    assert str(caught.value).endswith("\n    1 + y' * X * y\n        ^^^^^^")


@pytest.mark.parametrize(
    ("text", "shapes", "name"),
    [
        ("sum(wieghts*x)", {"weights": "n", "x": "n"}, "weights"),
        ("tempereture + 1", {"temperature": ""}, "temperature"),
    ],
)
def test_near_misses_of_declared_names(text: str, shapes: dict[str, str], name: str) -> None:
    with pytest.raises(sg.ParseError, match=f"is {name} meant"):
        sg.parse(text, **shapes)


def test_new_names_beside_declared_ones() -> None:
    """Numbered names, short names and names near those in use are not taken for misspellings."""
    sg.parse("theta1 + theta2", theta3="")
    sg.parse("alpha + alphas", alpha="")
    sg.parse("x + y", z="")


def test_a_formula_is_text() -> None:
    for value in (3, None, b"x", sg.scalar("x")):
        with pytest.raises(sg.ArgumentError, match="a formula is text"):
            sg.parse(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "shape", ["m n", "f16[n]", "-1", "1.5", "n/2", "f64[n", "[n]]", "9" * 30, "n,,m", {"a": 1}, 1.5]
)
def test_bad_shapes(shape: Any) -> None:
    with pytest.raises(sg.SymgradError):
        sg.parse("x", x=shape)


# ---- spans


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("log(1 + exp(-lam))", "1 + exp(-lam)"),
        ("log(1 + exp(-lam))", "exp(-lam)"),
        ("log(1 + exp(-lam))", "-lam"),
        ("sum((X @ w)**2)", "X @ w"),
        ("sum((X @ w)**2)", "(X @ w)**2"),
        ("lam*s where s = t + 1", "t + 1"),
        ("mean(w)*lam", "mean(w)"),
        ("(lam if t > 0 else t)", "lam if t > 0 else t"),
    ],
)
def test_nodes_know_their_part_of_the_text(text: str, part: str) -> None:
    f = sg.parse(text, **SHAPES)
    g = sg.parse(part, **SHAPES)
    assert f.source is not None
    start, end = f.source.spans[g.node]
    assert text[start:end].strip("()") == part.strip("()")


def test_every_node_has_a_span() -> None:
    from symgrad.graph import postorder

    f = sg.parse("sum(log(1 + exp(-y*(X @ w)))) + lam/2*norm(w)**2 + mean(softmax(s)) where s = X @ w", **SHAPES)
    assert f.source is not None
    assert {x for x in postorder([f.node]) if x.op.name != "constant"} <= f.source.spans.keys()


# ---- against Python's own parser

LEAVES = ["a", "b", "c", "2", "3.5", "0.25"]


@st.composite
def python_expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Expressions that Python and formulas read alike, with random spaces and parentheses."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(LEAVES))
    parts = [draw(python_expressions(depth - 1)) for _ in range(3)]
    form = draw(
        st.sampled_from(
            [
                "{0}+{1}",
                "{0} - {1}",
                "{0}*{1}",
                "{0}/ {1}",
                "-{0}",
                "({0})",
                "({0}) if ({1}) > {2} else {0}",
                "+{0}*-{1}",
                "({0})**2",
                "({0})*({1} - {2})",
                "({0} if ({1}) < ({2}) else {2} if ({0}) >= ({1}) else {1})",
            ]
        )
    )
    return form.format(*parts)


@given(python_expressions())
def test_read_as_python_reads_it(text: str) -> None:
    values = {"a": 0.7, "b": -1.25, "c": 2.5}
    try:
        expected = eval(text, {}, dict(values))
    except ZeroDivisionError:
        return
    f = sg.parse(text, a="", b="", c="")
    np.testing.assert_allclose(f(**values), expected, rtol=1e-9, atol=1e-9)
