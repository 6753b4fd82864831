"""Every notebook is stored as it ran from top to bottom, and reads on its own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@cache
def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_the_textbook_is_complete() -> None:
    assert sorted(int(path.name.partition("_")[0]) for path in NOTEBOOKS)[:8] == list(range(1, 9))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_it_ran_in_order_without_an_error(self, path: Path) -> None:
        code = [c for c in cells(path) if c["cell_type"] == "code"]
        counts = [c["execution_count"] for c in code]
        assert None not in counts and counts == sorted(set(counts))
        outputs = [o for c in code for o in c["outputs"]]
        assert outputs
        assert not [o for o in outputs if o["output_type"] == "error"]
        assert not [o["text"] for o in outputs if o.get("name") == "stderr"], "a warning is stored"

    def test_it_says_what_it_is_about(self, path: Path) -> None:
        first = cells(path)[0]
        assert first["cell_type"] == "markdown"
        assert "".join(first["source"]).startswith("# ")

    def test_it_is_small_and_holds_no_paths(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert len(text) < 500_000
        assert str(ROOT) not in text and "/tmp/" not in text

    def test_its_code_is_python(self, path: Path) -> None:
        for c in cells(path):
            if c["cell_type"] == "code":
                compile("".join(c["source"]), path.name, "exec")
