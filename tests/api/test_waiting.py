"""Calls that do not wait for code, and what is shown to those who wait."""

from __future__ import annotations

import io
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad import machine, progress
from symgrad.errors import ArgumentError

A, W = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, -1.0]]), np.array([0.5, -2.0])


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Compiling waits until the event is set."""
    event = threading.Event()
    make = machine.Machine._compile

    def compile_later(self: Any, *given: Any) -> Any:
        assert event.wait(30)
        return make(self, *given)

    monkeypatch.setattr(machine.Machine, "_compile", compile_later)
    return event


def test_calls_are_answered_before_there_is_code(held: threading.Event) -> None:
    f = sg.compile(sg.parse("sum(exp(A @ w))", w="n", A="m,n"), wrt="w", wait=False).value_and_grad
    out = (np.empty(()), np.empty(2))
    for _ in range(3):
        value, gradient = f(W, A)
        assert type(value) is float
        np.testing.assert_allclose(value, np.exp(A @ W).sum(), rtol=1e-13)
        np.testing.assert_allclose(gradient, A.T @ np.exp(A @ W), rtol=1e-13)
        assert f(W, A, out=out) is out
        np.testing.assert_array_equal(out[1], gradient)
    assert not f._machine._versions
    held.set()
    assert f.finish() is f
    assert f._machine._versions
    np.testing.assert_allclose(f(W, A)[1], A.T @ np.exp(A @ W), rtol=1e-13)


def test_the_arguments_are_checked_meanwhile(held: threading.Event) -> None:
    f = sg.compile(sg.parse("sum(A @ w)", w="n", A="m,n"), wait=False)
    with pytest.raises(ArgumentError):
        f(A, W)
    assert f(A=A, w=W) == pytest.approx((A @ W).sum())
    held.set()
    f.finish()


def test_what_goes_wrong_in_the_background_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, *given: Any) -> Any:
        raise ValueError("no code")

    monkeypatch.setattr(machine.Machine, "_compile", fail)
    f = sg.compile(sg.parse("x + 1", x=""), wait=False)
    with suppress(ValueError):
        assert f(1.0) == 2.0
    f.finish()
    with pytest.raises(ValueError, match="no code"):
        f(1.0)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait(screen: io.StringIO, seconds: float, verbose: bool | None, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr(progress, "STEP", 0.01)
    monkeypatch.setattr("sys.stderr", screen)
    with progress.shown(2, verbose) as tell:
        tell("first")
        tell("second")
        time.sleep(seconds)
    return screen.getvalue()


@pytest.mark.parametrize(
    ("screen", "seconds", "verbose", "shown"),
    [
        (Screen, 0.3, None, True),
        (Screen, 0.0, None, False),
        (Screen, 0.3, False, False),
        (io.StringIO, 0.3, None, False),
        (io.StringIO, 0.3, True, True),
    ],
)
def test_a_bar_is_shown_to_those_who_see_it(
    screen: Any, seconds: float, verbose: bool | None, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = wait(screen(), seconds, verbose, monkeypatch)
    assert bool(text) == shown
    if shown:
        assert "second" in text and "====" in text
        assert text.endswith("\r") and not text.rsplit("\r", 2)[1].strip(), "the line is empty in the end"


def test_compiling_tells_its_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Shown:
        def __init__(self, stages: int, verbose: bool | None) -> None:
            assert verbose is True

        def __enter__(self) -> Any:
            return told.append

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(machine, "shown", Shown)
    assert sg.compile(sg.parse("x + 41.5", x=""), verbose=True)(0.5) == 42.0
    assert told == ["derivative", "canonical form", "plan", "machine code"]


# ---- code that is made quickly for the first call


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))


def quick(f: Any) -> list[bool]:
    """Whether the code of each version of a compiled function was made quickly."""
    return [version.kernel.quick for version in f._machine._versions.values()]


@pytest.mark.usefixtures("empty_cache")
def test_only_the_first_call_runs_code_that_was_made_quickly() -> None:
    f = sg.compile(sg.parse("sum(exp(A @ w))", w="n", A="m,n"), wrt="w").value_and_grad
    found = []
    for expected in (True, False, False, False):
        found.append(f(W, A))
        assert quick(f) == [expected]
    for value, gradient in found[1:]:
        assert value == found[0][0]
        np.testing.assert_array_equal(gradient, found[0][1])


@pytest.mark.usefixtures("empty_cache")
def test_other_sizes_are_another_call_of_the_same_code() -> None:
    f = sg.compile(sg.parse("sum(exp(A @ w))", w="n", A="m,n"), wrt="w").grad
    np.testing.assert_allclose(f(W, A), A.T @ np.exp(A @ W))
    np.testing.assert_allclose(f(W, A[:1]), A[:1].T @ np.exp(A[:1] @ W))
    assert quick(f) == [False]


@pytest.mark.usefixtures("empty_cache")
def test_long_calls_and_handles_have_the_best_code_at_once() -> None:
    f = sg.compile(sg.parse("sum(exp(x))", x="n"))
    assert f(np.zeros(10_000_000)) == 1e7
    assert quick(f) == [False]
    g = sg.compile(sg.parse("exp(x)", x=""))
    assert g.ctypes(0.0) == 1.0
    assert quick(g) == [False]


@pytest.mark.usefixtures("empty_cache")
def test_code_that_was_made_quickly_is_kept_until_there_is_better() -> None:
    expression = sg.parse("sum(exp(A @ w)) + 1", w="n", A="m,n")
    for calls in ([True], [True, False], [False, False]):
        f = sg.compile(expression, wrt="w").grad
        for expected in calls:
            np.testing.assert_allclose(f(W, A), A.T @ np.exp(A @ W))
            assert quick(f) == [expected]
