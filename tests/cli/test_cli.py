"""What the command `symgrad` prints and returns."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad import __version__
from symgrad.cli import main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"symgrad {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["unknown"]])
def test_wrong_use_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: symgrad" in capsys.readouterr().err


def test_cache_is_shown_and_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))
    sg.compile(sg.parse("x**3 - x", x=""), wrt="x")(2.0)
    printed = []
    for arguments in (["cache"], ["cache", "--clear"], ["cache"]):
        assert main(arguments) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0].startswith(f"{tmp_path}: 3 entries of compiled code, ")
    assert printed[1] == printed[0].replace(" MB", " MB removed")
    assert printed[2] == f"{tmp_path}: 0 entries of compiled code, 0.0 MB\n"
    assert not list(tmp_path.iterdir())


def test_the_package_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "symgrad", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"symgrad {__version__}\n")


# ---- derivatives

ANSWERS = [
    (["grad", "x' @ A @ x", "--wrt", "x"], "(A + A.T) @ x", "inferred: x is a vector (n), A is a matrix (n × n)"),
    (["grad", "x**3"], "3*x**2", ""),
    (["hessian", "x' @ A @ x", "--wrt", "x"], "A + A.T", "inferred"),
    (["jacobian", "A @ x", "--wrt", "x"], "A", "inferred"),
    (["grad", "sum((X @ w - y)**2)", "--shapes", "X=m,n", "w=n", "y=m", "--wrt", "w"], "2*X.T @ (X @ w - y)", ""),
    (["grad", "log(1 + exp(x))", "--latex"], r"\sigma\left(x\right)", ""),
    (["simplify", "x*y/(x*z)"], "y/z", "assuming x is not zero"),
    (["simplify", "x/x", "--raw"], "x/x", ""),
    (["same", "1/(1 + exp(-x))", "sigmoid(x)"], "equal: both have the same canonical form", ""),
]


@pytest.mark.parametrize(("arguments", "printed", "noted"), ANSWERS)
def test_answers(arguments: list[str], printed: str, noted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert printed in shown.out
    assert noted in shown.err


def test_python_source_computes_the_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad", "x' @ A @ x", "--wrt", "x", "--python"]) == 0
    scope: dict[str, Any] = {}
    exec(capsys.readouterr().out, scope)
    a, x = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0])
    np.testing.assert_allclose(scope["f"](x=x, A=a), (a + a.T) @ x)


def test_c_source_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad", "sin(x)", "--c"]) == 0
    assert "cos(x)" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_formulas_are_read(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "-"
    if source == "file":
        (tmp_path / "f.txt").write_text("x**2\n")
        name = str(tmp_path / "f.txt")
    monkeypatch.setattr("sys.stdin", io.StringIO("x**2\n"))
    assert main(["grad", name]) == 0
    assert capsys.readouterr().out == "2*x\n"


MISTAKES = [
    (["grad", "x + * y", "--wrt", "x"], "ParseError", "    x + * y\n        ^"),
    (["grad", "A @ x + b", "--shapes", "A=m,n", "x=m", "--wrt", "x"], "ShapeError", "^^^^^"),
    (["grad", "x*y"], "ArgumentError", "x, y"), (["grad", "x", "--wrt", "z"], "ArgumentError", "z"),
    (["grad", "x", "--shapes", "x"], "ArgumentError", "--shapes X=m,n"),
    (["compile", "x", "--at", "x=one"], "ArgumentError", "--at x"),
    (["compile", "x", "--at", "y=1"], "ArgumentError", "y is not a symbol"),
    (["compile", "x", "--at", "x=nowhere.npy"], "ArgumentError", "nowhere.npy"),
]


@pytest.mark.parametrize(("arguments", "kind", "part"), MISTAKES)
def test_mistakes(arguments: list[str], kind: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1 if kind not in ("ParseError", "ShapeError") else -3].startswith(f"{kind}: ")
    assert part in shown.err


def test_check_certifies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "log(1 + exp(x))", "--at", "x=2"]) == 0
    assert "certified" in capsys.readouterr().out


def test_compile_prints_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "w.npy", np.array([1.0, 2.0]))
    assert main(["compile", "sum(w**2)", "--shapes", "w=n", "--at", f"w={tmp_path / 'w.npy'}"]) == 0
    assert capsys.readouterr().out == "value: 5.0\ngradient: [2. 4.]\n"


def test_explain_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "log(1 + exp(x))"]) == 0
    assert "Cotangents" in capsys.readouterr().out
    assert main(["explain", "log(1 + exp(x))", "--latex"]) == 0
    assert r"\overline{v_{1}}" in capsys.readouterr().out


def test_different_formulas_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["same", "sin(x)", "cos(x)"]) == 1
    assert capsys.readouterr().out.startswith("different: ")


@pytest.mark.parametrize("command", ["grad", "hessian", "jacobian", "explain", "check", "compile"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"symgrad {command} " in capsys.readouterr().out.split("examples:")[1]


def test_a_reader_may_stop_reading() -> None:
    """As in ``symgrad demo | head -1``."""
    program = "import sys; from symgrad.cli import main; sys.exit(main(['explain', 'sin(x)*exp(x)']))"
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
