"""What the demo shows: formulas, small errors, Newton's convergence, an accuracy, measured times."""

from __future__ import annotations

import re

import pytest

from symgrad.cli import main


@pytest.fixture(scope="module")
def printed() -> str:
    """What `symgrad demo` prints."""
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *text, end="\n", **_: lines.append(" ".join(map(str, text)) + end))
        assert main(["demo"]) == 0
    return "".join(lines)


def number(pattern: str, text: str) -> float:
    """The number that the group of `pattern` finds in `text`."""
    found = re.search(pattern, text)
    assert found is not None, pattern
    return float(found[1])


def test_formulas_are_shown(printed: str) -> None:
    assert "mean(logsumexp(X @ W, axis=1) - sum(Y*(X @ W), axis=1)) + lam/2*sum(W**2)" in printed
    assert re.search(r"gradient +X\.T @ softmax\(X @ W\) / m ", printed)
    assert re.search(r"Hessian\s+\S", printed)


@pytest.mark.parametrize("what", ["gradient", "Hessian"])
def test_derivatives_agree_with_complex_step(what: str, printed: str) -> None:
    assert number(rf"{what} +largest error (\S+) of", printed) < 1e-13


def test_newton_converges(printed: str) -> None:
    last = re.findall(r"^ +\d+ +\S+ +(\S+)$", printed, re.MULTILINE)[-1]
    assert float(last) < 1e-10
    assert number(r"Newton +(\d+) iterations", printed) < 20
    assert number(r"iterations; (\S+)% of the 150", printed) > 95


def test_network_learns(printed: str) -> None:
    assert number(r"network +(\S+)% of 30 held-out", printed) >= 90
    assert number(r"training +(\d+) steps", printed) == 200 * 8
    assert number(r"loss (\S+) → ", printed) > 5 * number(r"loss \S+ → (\S+)", printed)


def test_speed_is_measured_beside_numpy(printed: str) -> None:
    assert len(re.findall(r"rows +symgrad \S+ [mµ]s, NumPy by hand \S+ [mµ]s", printed)) == 2
