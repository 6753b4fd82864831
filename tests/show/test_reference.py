"""The reference notebook holds every function, and its stored outputs are what the table says now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symgrad.expression import FUNCTIONS
from symgrad.show.reference import THEMES, entries, reference

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "11_reference.ipynb"
INTRODUCTION = """# Reference

Every function of formulas, by theme: its arguments, what it is made of, its derivatives as symgrad prints them, the
functions of NumPy that mean it, and the largest error of the compiled code, in units in the last place, where it is
inlined. Each is `sg.name`, a function in formula text, and what the NumPy function does with symbols. Of a number the
derivative is its gradient, of an array the cotangent of the argument for the cotangent `u` of the result."""
SETUP = """from IPython.display import Markdown, display

from symgrad.show.reference import THEMES, reference"""
LOOP = """for theme in THEMES:
    display(Markdown(reference(theme)))"""


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def shown(text: str) -> dict[str, Any]:
    data = {"text/markdown": lines(text), "text/plain": ["<IPython.core.display.Markdown object>"]}
    return {"data": data, "metadata": {}, "output_type": "display_data"}


def notebook() -> dict[str, Any]:
    """The notebook as it is after a run from top to bottom."""

    def code(number: int, source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
        facts = {"cell_type": "code", "execution_count": number, "id": f"cell{number}", "metadata": {}}
        return {**facts, "outputs": outputs, "source": lines(source)}

    return {
        "cells": [
            {"cell_type": "markdown", "id": "cell0", "metadata": {}, "source": lines(INTRODUCTION)},
            code(1, SETUP, []),
            code(2, LOOP, [shown(reference(theme)) for theme in THEMES]),
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="the page names functions of NumPy 2.2")
def test_the_notebook(golden: Callable[[str, str], None], request: pytest.FixtureRequest) -> None:
    found = json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n"
    if request.config.getoption("--golden"):
        NOTEBOOK.write_text(found, encoding="utf-8", newline="\n")
    assert NOTEBOOK.read_text(encoding="utf-8") == found, "run `make golden`"


def test_every_function_is_there_once() -> None:
    counts = Counter(name for theme in THEMES for e in entries(theme) for name in e.names)
    built_in = {n for n, f in FUNCTIONS.items() if f.__module__.startswith("symgrad.")}
    assert set(counts) == built_in
    assert set(counts.values()) == {1}


def test_an_entry() -> None:
    """One entry, by hand."""
    (erf,) = (e for e in entries("functions") if e.names[0] == "erf")
    assert (erf.signature, erf.derivatives, erf.numpy) == ("(x)", ("derivative by x: `2/sqrt(pi)*exp(-x**2)`",), "")
    assert erf.accuracy.endswith("ulp")
    assert [e.signature for e in entries("reductions") if "norm" in e.names] == [
        "(x, ord=None, axis=None, *, keepdims=False)"
    ]
