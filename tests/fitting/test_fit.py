"""`fit` reaches optima with closed forms, takes the steps of the published rules, and says why it ended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.fitting_methods import RULES

rng = np.random.default_rng(11)
X = rng.normal(size=(60, 3)) @ np.diag([1.0, 0.5, 2.0])
y = X @ [1.0, -2.0, 0.5] + 3 + 0.1 * rng.normal(size=60)
DATA = {"X": X, "y": y}
SQUARES = sg.parse("mean((X @ w + b - y)**2)/2", X="m,n", w="n", b="", y="m")
START = {"w": np.zeros(3), "b": 0.0}
OPTIMUM = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), y)[0]


def gradient(w: Any, b: Any, rows: Any = slice(None)) -> tuple[Any, Any]:
    r = X[rows] @ w + b - y[rows]
    return X[rows].T @ r / len(r), r.mean()


def joined(params: Any) -> Any:
    return np.append(params["w"], params["b"])


METHODS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"rate": 0.2, "epochs": 3000}), ("momentum", {"rate": 0.05, "epochs": 1000}),
    ("nesterov", {"rate": 0.05, "epochs": 1000}), ("adam", {"rate": 0.05, "epochs": 3000}),
    ("l-bfgs", {"tolerance": 1e-10}), ("newton-krylov", {"tolerance": 1e-10}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "how"), METHODS)
def test_least_squares(method: str, how: dict[str, Any]) -> None:
    found = sg.fit(SQUARES, START, DATA, method=method, **how)
    np.testing.assert_allclose(joined(found.params), OPTIMUM, rtol=1e-6)
    residual = y - np.column_stack([X, np.ones(60)]) @ OPTIMUM
    assert found.loss == pytest.approx((residual**2).mean() / 2, rel=1e-9)
    assert found.steps == len(found.history)
    assert not START["w"].any(), "the start is not changed"


@pytest.mark.parametrize("method", ["l-bfgs", "newton-krylov"])
def test_rosenbrock(method: str) -> None:
    valley = sg.parse("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", x="n")
    found = sg.fit(valley, {"x": np.full(6, -0.5)}, method=method, epochs=500, tolerance=1e-9)
    np.testing.assert_allclose(found.params["x"], np.ones(6), atol=1e-7)


# ---- the rules, step by step in NumPy

def by_hand(method: str, steps: int, rate: float, decay: float) -> Any:
    """`steps` of a rule, as the papers write them."""
    w, v, s = np.zeros(4), np.zeros(4), np.zeros(4)
    for t in range(1, steps + 1):
        g = np.append(*gradient(w[:3], w[3]))
        match method:
            case "sgd":
                d = g
            case "momentum":
                d = v = 0.8 * v + g
            case "nesterov":
                v = 0.8 * v + g
                d = g + 0.8 * v
            case "adam":
                v, s = 0.7 * v + 0.3 * g, 0.9 * s + 0.1 * g**2
                d = v / (1 - 0.7**t) / (np.sqrt(s / (1 - 0.9**t)) + 1e-3)
            case _:
                s = 0.9 * s + 0.1 * g * g
                d = g / (np.sqrt(s) + 1e-6)
        w = w - rate * (d + decay * w)
    return w


OPTIONS: dict[str, dict[str, float]] = {
    "sgd": {}, "momentum": {"momentum": 0.8}, "nesterov": {"momentum": 0.8},
    "adam": {"beta1": 0.7, "beta2": 0.9, "eps": 1e-3},
}  # fmt: skip


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("method", RULES)
def test_rules(method: str, decay: float) -> None:
    found = sg.fit(SQUARES, START, DATA, method=method, rate=0.1, epochs=7, decay=decay, **OPTIONS[method])
    np.testing.assert_allclose(joined(found.params), by_hand(method, 7, 0.1, decay), rtol=1e-12)


def test_a_rule_of_ones_own() -> None:
    def rmsprop(g: Any, t: Any, s: Any, *, memory: float = 0.5) -> Any:
        s = memory * s + (1 - memory) * g * g
        return g / (np.sqrt(s) + 1e-6), s

    found = sg.fit(SQUARES, START, DATA, method=rmsprop, memory=0.9, rate=0.1, epochs=7)
    np.testing.assert_allclose(joined(found.params), by_hand("rmsprop", 7, 0.1, 0.0), rtol=1e-12)


def test_decay_of_some_parameters() -> None:
    found = sg.fit(SQUARES, START, DATA, method="sgd", rate=0.1, epochs=2, decay={"w": 0.5, "b": 0.0})
    w, b = np.zeros(3), 0.0
    for _ in range(2):
        g, h = gradient(w, b)
        w, b = w - 0.1 * (g + 0.5 * w), b - 0.1 * h
    np.testing.assert_allclose(joined(found.params), np.append(w, b), rtol=1e-12)


def test_rates_follow_a_schedule() -> None:
    """On w²/2 a step multiplies w by 1 - rate; a schedule is asked for the epochs done, with fractions."""
    half = sg.parse("w**2/2 + 0*mean(x)", w="", x="m")
    asked = []

    def rate(t: float) -> float:
        asked.append(t)
        return 0.1 / (1 + t)

    found = sg.fit(half, {"w": 1.0}, {"x": np.zeros(8)}, method="sgd", rate=rate, batch=2, epochs=2)
    assert asked == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert found.params["w"] == pytest.approx(np.prod([1 - 0.1 / (1 + t) for t in asked]), rel=1e-14)
    assert found.history.rate == [0.1 / 1.75, 0.1 / 2.75]


# ---- structures of parameters, doors of losses

def layers(params: Any, inputs: Any, target: Any) -> Any:
    for layer in params["layers"]:
        inputs = np.tanh(inputs @ layer["W"] + layer["b"])
    return np.mean((inputs @ params["last"] - target) ** 2)


def test_all_doors_take_the_same_steps() -> None:
    start = sg.init({"layers": [{"W": "3,5", "b": "5"}, {"W": "5,4", "b": 4}], "last": 4}, seed=3)
    start["last"] = np.full(4, 0.2)
    jitted = sg.jit(layers, wrt="params")
    shapes = {"params": {"layers": [{"W": "n,h", "b": "h"}, {"W": "h,k", "b": "k"}], "last": "k"}}
    tree = {"layers": [{"W": "params_layers_0_W", "b": "params_layers_0_b"},
                       {"W": "params_layers_1_W", "b": "params_layers_1_b"}], "last": "last"}  # fmt: skip
    compiled = sg.compile(sg.from_function(layers, **shapes, inputs="m,n", target="m"), wrt=tree)
    found = [
        sg.fit(f, start, data, batch=16, epochs=3, rate=0.01)
        for f, data in [(layers, (X, y)), (jitted, {"target": y, "inputs": X}), (compiled, (X, y))]
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other.history.loss, found[0].history.loss, rtol=1e-12)
        np.testing.assert_allclose(other.params["layers"][1]["W"], found[0].params["layers"][1]["W"], rtol=1e-9)
    assert layers(found[0].params, X, y) < layers(start, X, y)
    assert start["layers"][0]["W"].shape == found[0].params["layers"][0]["W"].shape


def test_parameters_by_the_names_of_arguments_and_as_they_are() -> None:
    def squares(w: Any, b: Any, X: Any, y: Any) -> Any:
        return np.mean((X @ w + b - y) ** 2) / 2

    f = sg.compile(SQUARES, wrt=("w", "b"))
    single = sg.compile(SQUARES.replace(b=3.0), wrt="w")
    expected = sg.fit(SQUARES, START, DATA, epochs=5)
    np.testing.assert_allclose(joined(sg.fit(squares, START, (X, y), epochs=5).params), joined(expected.params))
    np.testing.assert_allclose(joined(sg.fit(f, START, DATA, epochs=5).params), joined(expected.params))
    w, b = sg.fit(f, (START["w"], 0.0), (X, y), epochs=5).params
    np.testing.assert_allclose(np.append(w, b), joined(expected.params))
    w = sg.fit(single, START["w"], (X, y), method="l-bfgs").params
    np.testing.assert_allclose(w, np.linalg.lstsq(X, y - 3)[0], rtol=1e-4)


@pytest.mark.parametrize("method", ["adam", "momentum", "l-bfgs", "newton-krylov"])
def test_float32(method: str) -> None:
    loss = sg.parse("mean((X @ w - y)**2)", X="f32[m,n]", w="f32[n]", y="f32[m]")
    single = {"X": X.astype(np.float32), "y": (y - 3).astype(np.float32)}
    how = {"tolerance": 1e-3} if method in ("l-bfgs", "newton-krylov") else {"rate": 0.05}
    found = sg.fit(loss, {"w": np.zeros(3, np.float32)}, single, method=method, epochs=300, **how)
    assert found.params["w"].dtype == np.float32
    np.testing.assert_allclose(found.params["w"], np.linalg.lstsq(X, y - 3)[0], atol=2e-3)


def test_penalties_and_constants_are_not_cut() -> None:
    """Of the data only what has the samples' axis is cut: not a matrix that happens to be as long."""
    loss = sg.parse("mean((X @ w - y)**2) + w' @ A @ w", X="m,n", w="n", y="m", A="n,n")
    A, square = np.diag([1.0, 2.0, 3.0]), X[:3]
    found = sg.fit(loss, {"w": np.zeros(3)}, {"X": square, "y": y[:3], "A": A}, method="l-bfgs", tolerance=1e-10)
    expected = np.linalg.solve(square.T @ square / 3 + A, square.T @ y[:3] / 3)
    np.testing.assert_allclose(found.params["w"], expected, rtol=1e-6)
    batched = sg.fit(loss, {"w": np.zeros(3)}, {"X": square, "y": y[:3], "A": A}, method="sgd", batch=1, epochs=1)
    assert batched.steps == 3


# ---- seeds

def test_the_same_seed_gives_the_same_bits() -> None:
    fits = [sg.fit(SQUARES, START, DATA, batch=7, epochs=3, seed=seed) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(joined(fits[0].params), joined(fits[1].params))
    assert fits[0].history.loss == fits[1].history.loss
    assert (joined(fits[0].params) != joined(fits[2].params)).any()


# ---- endings

def test_early_stopping_gives_the_best_parameters() -> None:
    """Too many features for ten samples: the loss of other samples falls first and rises then."""
    r = np.random.default_rng(1)
    truth, features = np.zeros(30), r.normal(size=(40, 30))
    truth[:2] = 1
    target = features @ truth + r.normal(size=40)
    seen, held = (features[:10], target[:10]), (features[10:], target[10:])
    loss = sg.parse("mean((X @ w - y)**2)", w="n", X="m,n", y="m")
    found = sg.fit(loss, {"w": np.zeros(30)}, seen, validation=held, method="sgd", rate=0.01, epochs=2000, patience=5)
    tried = found.history.validation
    best = int(np.argmin(tried))
    assert len(tried) == best + 1 + 5 < 2000
    assert found.reason == f"no improvement since epoch {best + 1}"
    assert ((held[0] @ found.params["w"] - held[1]) ** 2).mean() == pytest.approx(tried[best], rel=1e-12)


@pytest.mark.parametrize("method", ["sgd", "l-bfgs", "newton-krylov"])
def test_callbacks_see_every_epoch_and_may_end_the_fit(method: str) -> None:
    seen: list[Any] = []
    valley = sg.parse("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", x="n")
    how = {"rate": 1e-4} if method == "sgd" else {}
    found = sg.fit(valley, {"x": np.zeros(3)}, method=method, callbacks=[seen.append, lambda e: e.number == 3], **how)
    assert [e.number for e in seen] == [1, 2, 3]
    assert (len(found.history), found.reason) == (3, "ended by a callback")
    assert [e.loss for e in seen] == found.history.loss
    np.testing.assert_array_equal(seen[-1].params["x"], found.params["x"])
    assert (seen[0].params["x"] != seen[1].params["x"]).any()


def test_no_epochs() -> None:
    found = sg.fit(SQUARES, START, DATA, epochs=0)
    assert (found.steps, len(found.history), str(found)) == (0, 0, "<fit: 0 epochs, loss nan, all epochs done>")
    np.testing.assert_array_equal(found.params["w"], START["w"])


DIVERGING = sg.parse("mean(log(x*w))", w="", x="m")


@pytest.mark.parametrize("method", ["sgd", "l-bfgs", "newton-krylov"])
def test_nan_ends_the_fit_and_says_where(method: str) -> None:
    with pytest.raises(sg.NotFinite) as failed:
        sg.fit(DIVERGING, {"w": 1.0}, {"x": np.array([1.0, -2.0])}, method=method)
    assert "became nan" in str(failed.value) or "became infinite or NaN" in str(failed.value)
    assert "log(x*w)" in str(failed.value)
    assert "logarithm of a negative number" in str(failed.value)


def test_nan_in_a_gradient_is_found_where_it_arose() -> None:
    """The root is finite at 0 and its slope is not: the parameter is NaN only after the step."""
    root = sg.parse("mean(sqrt(w*x)) + w", w="", x="m")
    with pytest.raises(sg.NotFinite, match="a parameter is not finite any more in step 2, epoch 1") as failed:
        sg.fit(root, {"w": 1.0}, {"x": np.array([1.0, 0.0])}, method="sgd")
    assert "gradient" in str(failed.value) and "sqrt(w*x)" in str(failed.value)


def test_divergence_names_the_step() -> None:
    with pytest.raises(sg.NotFinite, match=r"the loss became (inf|nan) in step \d+, epoch \d+"):
        sg.fit(SQUARES, START, DATA, method="sgd", rate=100.0, epochs=1000)


# ---- what is shown

def test_progress_is_shown_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    sg.fit(SQUARES, START, DATA, epochs=3)
    assert capsys.readouterr().err == ""
    sg.fit(SQUARES, START, DATA, epochs=3, validation=DATA, progress=True)
    shown = capsys.readouterr().err.split("\r")[-1]
    assert shown.startswith("█" * 24 + " epoch 3/3, loss ")
    assert "validation" in shown and shown.endswith("all epochs done\n")


def test_history_plots_itself() -> None:
    pytest.importorskip("matplotlib")
    history = sg.fit(SQUARES, START, DATA, epochs=3, validation=DATA).history
    picture = history._repr_png_()
    assert picture is not None and picture.startswith(b"\x89PNG")


WRONG: list[tuple[Any, Any, Any, dict[str, Any], str]] = [
    (SQUARES, START, DATA, {"method": "adm"}, "unknown method 'adm', did you mean adam?"),
    (SQUARES, START, DATA, {"method": "sgd", "momentum": 0.9}, "unknown option momentum; the method 'sgd' has none"),
    (SQUARES, START, DATA, {"beta": 0.9}, "unknown option beta, did you mean beta1?"),
    (SQUARES, START, DATA, {"batch": 0}, "batch: expected a number of at least 1, got 0"),
    (SQUARES, START, DATA, {"epochs": 1.5}, "epochs: expected a number of at least 0, got 1.5"),
    (SQUARES, START, DATA, {"shuffle": "rows"}, "shuffle: expected True, 'batches' or False"),
    (SQUARES, START, DATA, {"method": "l-bfgs", "batch": 3}, "uses all data at once"),
    (SQUARES, START, DATA, {"method": "l-bfgs", "decay": 0.1}, "uses all data at once"),
    (SQUARES, START, iter([DATA]), {"method": "l-bfgs"}, "uses all data at once"),
    (SQUARES, START, DATA, {"callbacks": "print"}, "callbacks: expected functions, got str"),
    (SQUARES, START, DATA, {"decay": {"w": 1.0}}, "decay: expected a dict with 'w', 'b'"),
    (SQUARES, {"v": 1.0}, DATA, {}, "params: the loss has no symbol v"),
    (SQUARES, np.zeros(3), DATA, {}, "params is a dict from names of symbols to arrays"),
    (SQUARES, {**START, "w": np.eye(3)}, DATA, {}, r"params\['w'\]: expected f64\[n\], got f64\[3, 3\]"),
    (SQUARES, START, {"X": X}, {}, "missing argument y"),
    (SQUARES, START, {**DATA, "z": 1}, {}, "unknown argument z"),
    (SQUARES, START, {"X": X, "y": y[:5]}, {}, "the numbers of samples differ: X 60, y 5"),
    (SQUARES, START, {"X": X[:0], "y": y[:0]}, {"batch": 2}, "there are no samples"),
    (SQUARES, START, iter([]), {}, "the iterable gives no batch"),
    (sg.parse("w**2", w=""), {"w": 1.0}, (), {"batch": 2}, "no array that could be cut into batches"),
    (sg.parse("w*x", w="", x="n"), {"w": 1.0}, {"x": y}, {}, r"the loss must be a scalar, got f64\[n\]"),
    (1.0, START, DATA, {}, "the loss is an expression or a function, got float"),
    (lambda: 1.0, START, DATA, {}, "the loss takes no arguments"),
    (lambda p, X: np.mean(X @ p), np.ones(3), (X, y), {}, "the loss takes X, got 2 arrays"),
    (lambda p, X: np.mean(X @ p), np.ones(3), {"x": X}, {}, "the loss takes no x, did you mean X?"),
    (SQUARES, START, DATA, {"method": lambda g, t, v: (g,)}, "the method has states v"),
]


@pytest.mark.parametrize(("loss", "params", "data", "how", "message"), WRONG)
def test_mistakes(loss: Any, params: Any, data: Any, how: dict[str, Any], message: str) -> None:
    with pytest.raises(sg.ArgumentError, match=message):
        sg.fit(loss, params, data, **how)
