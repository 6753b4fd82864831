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
