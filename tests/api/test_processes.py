"""Functions and expressions in other processes: pickled, forked, spawned, and found on disk by a second process."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from symgrad.compiler import cache

import symgrad as sg

ROOT = Path(__file__).parents[2]
W, X = np.array([0.5, -1.0]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]])


def loss() -> sg.Function:
    made: sg.Function = sg.compile(sg.parse("sum(log(1 + exp(X @ w))) + norm(w)**2", w="n", X="m,n"), wrt="w")
    return made


def value() -> float:
    return float(np.log1p(np.exp(X @ W)).sum() + W @ W)


def gradient() -> Any:
    return X.T @ (1 / (1 + np.exp(-X @ W))) + 2 * W


def test_pickles_of_functions() -> None:
    f = loss()
    f(W, X)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        g = pickle.loads(pickle.dumps(f, protocol))
        np.testing.assert_allclose(g(W, X), value(), rtol=1e-13)
        np.testing.assert_allclose(pickle.loads(pickle.dumps(f.grad, protocol))(W, X), gradient(), rtol=1e-12)
    hvp = pickle.loads(pickle.dumps(f.hvp))
    np.testing.assert_allclose(hvp(W, W, X), f.hvp(W, W, X), rtol=1e-13)
    assert repr(hvp) == repr(f.hvp)
    assert copy.copy(f) is f and copy.deepcopy([f])[0] is f


def test_pickles_keep_options_and_structures() -> None:
    e = sg.parse("sum((a*x + b)**2)", x="n", a="", b="")
    f = sg.compile(e, wrt={"a": "a", "b": "b"}, threads=1, sizes={"n": 7})
    g = pickle.loads(pickle.dumps(f.value_and_grad))
    assert g.options == f.options
    x = np.arange(3.0)
    found = g({"a": 1.0, "b": 2.0}, x)
    assert found[0] == 29.0 and found[1] == {"a": 2 * np.sum((x + 2) * x), "b": 2 * np.sum(x + 2)}


def test_expressions_are_the_same_after_pickling() -> None:
    e = sg.parse("sum(sin(x)**2) + n", x="n").grad("x")
    again = pickle.loads(pickle.dumps(e))
    assert again.node is e.node and str(again) == str(e)
    assert copy.deepcopy(e).node is e.node


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking a process with threads
def test_worker_processes(method: str) -> None:
    f = loss()
    for _ in range(2):
        f(W, X), f.grad(W, X)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.starmap_async(f, [(W, X)] * 3).get(60):
            np.testing.assert_allclose(found, value(), rtol=1e-13)
        for found in pool.starmap_async(f.grad, [(W, X)] * 3).get(60):
            np.testing.assert_allclose(found, gradient(), rtol=1e-12)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_after_fork() -> None:
    f = loss()
    f(W, X)
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        good = np.allclose(f.grad(W, X), gradient()) and np.isclose(f(W, X), value())
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_cloudpickle() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    f = loss()
    closure = pickle.loads(cloudpickle.dumps(lambda w: f.grad(w, X)))
    np.testing.assert_allclose(closure(W), gradient(), rtol=1e-12)


def test_joblib() -> None:
    joblib = pytest.importorskip("joblib")
    f = loss()
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(f.grad)(k * W, X) for k in (1.0, 1.0))
    np.testing.assert_allclose(found, [gradient()] * 2, rtol=1e-12)


# ---- a second process

FIRST = """
import numpy as np
import symgrad as sg
f = sg.compile(sg.parse("sum(log(1 + exp(X @ w))) + norm(w)**2", w="n", X="m,n"), wrt="w")
W, X = np.array([0.5, -1.0]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]])
print(repr((f(W, X), f.value_and_grad(W, X)[1].tolist(), f.hvp(W, W, X).tolist())))
"""
SECOND = """
import sys
import symgrad.formula
import symgrad.machine
def never(*args, **keywords):
    raise AssertionError("derived or compiled")
symgrad.formula.DERIVED = dict.fromkeys(symgrad.formula.DERIVED, never)
symgrad.machine.canonicalise = symgrad.machine.lower = never
""" + FIRST + """
assert "symgrad.compiler.schedule" not in sys.modules
"""


def run(program: str, place: Path) -> str:
    environment = {**os.environ, "SYMGRAD_CACHE_DIR": str(place), "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_a_second_process_derives_and_compiles_nothing(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    first = run(FIRST, place)
    assert run(SECOND, place) == first


def test_another_formula_or_request_is_another_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))
    x, y = sg.scalar("x"), sg.scalar("y")
    made = [
        (sg.compile(x * x + y, wrt="x"), (3.0, 1.0), 10.0),
        (sg.compile(x * x + y, wrt="x").grad, (3.0, 1.0), 6.0),
        (sg.compile(x * x + y, wrt="x").grad.grad, (3.0, 1.0), 2.0),
        (sg.compile(x * x + y, wrt="y"), (3.0, 1.0), 4.0),
        (sg.compile(x * x + y, wrt="y").grad, (3.0, 1.0), 1.0),
        (sg.compile(x * x + y, inputs=["y", "x"]), (3.0, 1.0), 4.0),
        (sg.compile(x * x + 2 * y, wrt="x"), (3.0, 1.0), 11.0),
        (sg.compile([x * x + y]), (3.0, 1.0), [10.0]),
        (sg.compile({"a": x * x + y}), (3.0, 1.0), {"a": 10.0}),
        (sg.compile(x * x + y, dtype="f32"), (3.0, 0.1), float(np.float32(9.1))),
    ]
    for _ in range(2):
        assert [f(*args) for f, args, _ in made] == [expected for _, _, expected in made]
        made = [(pickle.loads(pickle.dumps(f)), args, expected) for f, args, expected in made]


def test_damaged_entries_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))
    expression = sg.parse("exp(x) + 0.125*x", x="")
    assert sg.compile(expression).grad(0.0) == 1.125
    for k, file in enumerate(sorted(tmp_path.glob("*.code"))):
        content = file.read_bytes()
        file.write_bytes([b"", content[:50], content[:-1] + b"?", os.urandom(len(content))][k % 4])
    assert sg.compile(expression).grad(0.0) == 1.125


def test_foreign_entries_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An entry that is whole but holds something else."""
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))
    f = sg.compile(sg.parse("exp(x) + 0.375*x", x=""))
    facts = f.request.facts
    assert facts is not None
    for content in (b"not a pickle", pickle.dumps("text"), pickle.dumps((1, 2, 3))):
        cache.keep(facts, content)
        assert sg.compile(sg.parse("exp(x) + 0.375*x", x=""))(0.0) == 1.0


def test_operations_of_the_user_and_large_constants_are_not_kept(tmp_path: Path) -> None:
    program = """
import numpy as np
import symgrad as sg
sg.operation("twice", numpy=lambda x: 2 * x)
data = np.ones(200_000)
for f in (sg.parse("twice(x)"), sg.from_function(lambda x: np.sum(x * data), x=""), sg.parse("2*x")):
    print(sg.compile(f).request.facts is None)
"""
    assert run(program, tmp_path).split() == ["True", "True", "False"]


def test_an_unwritable_directory_is_no_error(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a directory")
    assert run(FIRST, place) == run(FIRST, place)


def test_many_processes_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "SYMGRAD_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FIRST]
    running = [subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)]
    outputs = {p.communicate()[0] for p in running}
    assert len(outputs) == 1 and all(p.returncode == 0 for p in running)
