"""What the command `symgrad` prints and returns."""

from __future__ import annotations

import pytest

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


def test_demo_names_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    assert "150 flowers" in printed
    assert "5.006  3.428  1.462  0.246" in printed  # R: colMeans(iris[1:50, 1:4])
