"""What the command `symgrad` prints and returns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
    assert printed[0].startswith(f"{tmp_path}: 1 compiled functions, ")
    assert printed[1] == printed[0].replace(" MB", " MB removed")
    assert printed[2] == f"{tmp_path}: 0 compiled functions, 0.0 MB\n"
    assert not list(tmp_path.iterdir())


def test_the_package_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "symgrad", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"symgrad {__version__}\n")
