"""The data of a loss are read once and nothing of their length is allocated: counted in the loops, and measured."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from symgrad.compiler.kernel import Kernel
from symgrad.compiler.loops import Action, Nest, Routine, Run, Stream
from symgrad.compiler.memory import used_by
from symgrad.compiler.types import named, names

import symgrad as sg
from symgrad.machine import Machine, Options


@dataclass(frozen=True)
class Case:
    """A loss, the variable of its derivatives, and what is known of its kernels."""

    text: str
    shapes: dict[str, str]
    wrt: str
    passes: int = 1
    """How often the gradient reads the data."""
    long: int = 0
    """Temporaries of the length of the data, one number per row."""
    hessian: bool = True
    """Whether a product with its Hessian needs no other passes."""


TABLE = {"X": "m,n", "y": "m", "w": "n"}
CASES = {
    "logistic": Case("sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2", TABLE | {"lam": ""}, "w"),
    "poisson": Case("sum(exp(X @ w) - y*(X @ w))", TABLE, "w"),
    "mean of squares": Case("mean((X @ w - y)**2)", TABLE, "w"),
    "huber": Case("sum(where(abs(X @ w - y) < 1, (X @ w - y)**2, 2*abs(X @ w - y) - 1))", TABLE, "w"),
    "softmax": Case(
        "sum(logsumexp(X @ W, axis=1) - sum(Y*(X @ W), axis=1))", {"X": "m,n", "Y": "m,c", "W": "n,c"}, "W"
    ),
    "mixture": Case("sum(logsumexp(a - (x[:, None] - mu)**2, axis=1))", {"x": "m", "a": "k", "mu": "k"}, "mu"),
    "network": Case(
        "sum((relu(X @ W + b) @ V - y)**2)", {"X": "m,n", "W": "n,h", "b": "h", "V": "h", "y": "m"}, "W", hessian=False
    ),
    "vector residuals": Case("sum((X @ W - Y)**2)", {"X": "m,n", "Y": "m,k", "W": "n,k"}, "W", hessian=False),
    "two tables": Case("sum((X @ w - y)**2) + sum(tanh(Z @ w))", TABLE | {"Z": "m,n"}, "w"),
    "factor after the pass": Case("norm(X @ w - y)", TABLE, "w", hessian=False),
    "maximum before the pass": Case("log(sum(exp(X @ w)))", {"X": "m,n", "w": "n"}, "w", 2, 1, hessian=False),
}


def kernel_of(outputs: list[sg.Expr]) -> tuple[Kernel, list[str]]:
    """The kernel that computes `outputs` together, and the names of its arguments."""
    parameters = sg.compile(outputs).formula.parameters
    machine = Machine([e.node for e in outputs], [p.symbols[0] for p in parameters], Options(threads=1))
    return machine.version({}).kernel, [p.name for p in parameters]


def length_of(kernel: Kernel, arguments: list[str]) -> str:
    """The name that the length of the data has in the kernel."""
    name = "X" if "X" in arguments else "x"
    return str(kernel.program.inputs[arguments.index(name)][1].shape[0])


def nests_of(action: Action) -> list[str]:
    match action:
        case Run(name):
            return [name]
        case Stream():
            return [run.name for run in action.body]
        case _:
            assert not isinstance(action, Routine)
            return []


def passes(kernel: Kernel, array: str) -> int:
    """How many passes read `array`: the nests of one stream share what is in the cache."""
    nests: dict[str, Nest] = {nest.name: nest for nest in kernel.schedule.nests}
    return sum(
        any(array in used_by(step) for name in nests_of(action) for step in nests[name].body)
        for action in kernel.schedule.actions
    )


ORDERS = [(name, order) for name, case in CASES.items() for order in ((1, 2) if case.hessian else (1,))]


@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_data_are_read_once(name: str, order: int) -> None:
    case = CASES[name]
    loss = sg.parse(case.text, **case.shapes)
    outputs = [loss, loss.grad(case.wrt)] if order == 1 else [loss.hvp(case.wrt, "v")]
    kernel, arguments = kernel_of(outputs)
    length = length_of(kernel, arguments)
    tables = [k for k, (_, type_) in enumerate(kernel.program.inputs) if length in map(str, type_.shape)]
    assert tables
    for k in tables:
        times = passes(kernel, f"x{k}")
        assert times == (case.passes if arguments[k] in ("X", "x") else 1) or (order == 2 and not times), kernel.loops
    assert any(passes(kernel, f"x{k}") for k in tables)
    held = {*kernel.schedule.inputs, *kernel.schedule.outputs}
    long = [t for a, t in kernel.schedule.arrays.items() if a not in held and any(length in names(n) for n in t.shape)]
    assert [type_.shape for type_ in long] == [(named(length),)] * case.long
    sizes = dict.fromkeys(kernel.schedule.named, 20)
    small, large = (kernel.workspace(**{**sizes, length: m}) for m in (10**5, 10**7))
    assert large <= 1.3 * small + 8 * case.long * 10**7 + 2**16


def test_the_number_of_classes_is_not_the_long_axis() -> None:
    case = CASES["softmax"]
    loss = sg.parse(case.text, **case.shapes)
    kernel, arguments = kernel_of([loss, loss.grad("W")])
    (stream,) = (action for action in kernel.schedule.actions if isinstance(action, Stream))
    assert str(stream.length) == length_of(kernel, arguments)


def test_results_along_the_data_are_written_in_the_same_pass() -> None:
    loss = sg.parse("sum((X @ w - y)**2)", **TABLE)
    residuals = sg.parse("X @ w - y", **TABLE)
    kernel, _ = kernel_of([loss, residuals, loss.grad("w")])
    assert passes(kernel, "x0") == 1
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((1000, 7)), rng.standard_normal(1000), rng.standard_normal(7)
    f = sg.compile([loss, residuals, loss.grad("w")], inputs=["X", "y", "w"])
    value, r, g = f(X, y, w)
    np.testing.assert_allclose(r, X @ w - y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose([value, *g], [r @ r, *(2 * X.T @ r)], rtol=1e-11)


@pytest.mark.parametrize("name", ["factor after the pass", "maximum before the pass"])
def test_values_of_late_factors(name: str) -> None:
    case = CASES[name]
    loss = sg.parse(case.text, **case.shapes)
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((500, 7)), rng.standard_normal(500), rng.standard_normal(7)
    f = sg.compile([loss, loss.grad("w")], inputs=["X", "y", "w"][:: 1 if "y" in case.shapes else 2])
    if "y" in case.shapes:
        value, gradient = f(X, y, w)
        r = X @ w - y
        expected = np.linalg.norm(r), X.T @ r / np.linalg.norm(r)
        whole, at = np.rint(9 * X), np.rint(9 * w)
        assert np.array_equal(f(whole, whole @ at, at)[1], np.zeros(7))
    else:
        value, gradient = f(X, w)
        e = np.exp(X @ w)
        expected = np.log(e.sum()), X.T @ e / e.sum()
    np.testing.assert_allclose(value, expected[0], rtol=1e-13)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-10, atol=1e-13)


OVERWRITTEN = {
    "log(sum(exp(x)))": lambda x: np.exp(x) / np.exp(x).sum(),
    "std(x)": lambda x: (x - x.mean()) / (x.size * x.std()),
    "logsumexp(2*x)": lambda x: 2 * np.exp(2 * x) / np.exp(2 * x).sum(),
}


@pytest.mark.parametrize("text", OVERWRITTEN)
def test_results_stand_where_what_they_were_computed_from_stood(text: str) -> None:
    loss = sg.parse(text, x="m")
    for outputs in ([loss, loss.grad("x")], [loss.grad("x")]):
        kernel, arguments = kernel_of(outputs)
        length, held = length_of(kernel, arguments), {*kernel.schedule.inputs, *kernel.schedule.outputs}
        assert not [a for a, t in kernel.schedule.arrays.items() if a not in held and length in map(str, t.shape)]
    x = np.random.default_rng(0).standard_normal(100_003)
    for threads in (1, 2):
        found = sg.compile(loss, wrt="x", threads=threads).value_and_grad(x)[1]
        np.testing.assert_allclose(found, OVERWRITTEN[text](x), rtol=1e-12, atol=1e-15)


PEAK = """
import resource, sys
import numpy as np
import symgrad as sg
f = sg.compile(sg.parse({text!r}, X="m,n", y="m", w="n", lam=""), wrt="w")
X, y, w = np.ones((10**7, 2)), np.ones(10**7), np.zeros(2)
f.value_and_grad(w, X[:1000], y[:1000], 0.1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
value, gradient = f.value_and_grad(w, X, y, 0.1)
assert abs(value - 10**7 * np.log(2)) < 1 and gradient.shape == (2,)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "getrusage"), reason="the peak of memory is not known here")
def test_peak_memory_at_ten_million_rows() -> None:
    text = PEAK.format(text=CASES["logistic"].text)
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 2**14  # KiB; a vector of that length takes 78 125
