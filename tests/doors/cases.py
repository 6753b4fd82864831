"""The external cases as (id, text, shapes, values, expected value, condition number)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "cases"


@dataclass(frozen=True)
class Case:
    """A formula of the external cases, the shapes of its symbols in order, and points with known values."""

    id: str
    text: str
    shapes: dict[str, str]
    points: list[tuple[dict[str, Any], Any, float]] = field(repr=False)


def load(name: str) -> Any:
    """The contents of a file of cases."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def scalars() -> Iterator[Case]:
    """Formulas of scalars."""
    for name, key in (("feynman", "formula"), ("fpbench", "expr"), ("go_functions", "formula"), ("mgh", "formula")):
        for case in load(name):
            if case[key]:
                names = [v["name"] if isinstance(v, dict) else v for v in case["variables"]]
                points = [
                    (dict(zip(names, p["x"], strict=True)), float(p["value"]), condition(p)) for p in case["points"]
                ]
                yield Case(case["id"], case[key], dict.fromkeys(names, ""), points)


def condition(point: dict[str, Any]) -> float:
    """How much larger a relative error of the variables is in the value: given, or from the gradient; at least 1."""
    value = abs(float(point["value"])) or 1.0
    sensitivity = sum(abs(x * float(g)) for x, g in zip(point["x"], point["grad"], strict=True)) / value
    return max(1.0, point.get("condition") or 0.0, sensitivity)


def vectors() -> Iterator[Case]:
    """The test functions of Moré, Garbow and Hillstrom that are written with vectors."""
    for case in load("mgh"):
        if case["vector_formula"]:
            data = {name: np.array(values, float) for name, values in case["vector_data"].items()}
            points = [({"x": np.array(p["x"]), **data}, float(p["value"]), 100.0) for p in case["points"]]
            shapes = {name: str(len(np.ravel(v))) for name, v in points[0][0].items()}
            yield Case(case["id"], case["vector_formula"], shapes, points)


def matrices() -> Iterator[Case]:
    """The matrix identities: each function, its derivative and its Hessian, with known values."""
    for case in load("matrix_identities")["identities"]:
        shapes = {name: ",".join(map(str, shape)) for name, shape in case["shapes"].items()}
        values = {name: np.array(v, float) for name, v in case["inputs"].items()}
        expected = {"expr": case["value"], "derivative": case["derivative_value"]}
        for part, value in expected.items():
            yield Case(f"{case['id']}-{part}", case[part], shapes, [(values, np.array(value, float), 1.0)])


def edges() -> Iterator[Case]:
    """The edge cases that are formulas with a known value."""
    for case in load("edge_cases")["cases"]:
        if (
            case["expected_value"] is not None
            and "=" not in case["expr"].replace("==", "")
            and " of " not in case["expr"]
        ):
            values = {name: np.array(_floats(v), float) for name, v in case["inputs"].items()}
            shapes = {name: ",".join(map(str, v.shape)) for name, v in values.items()}
            yield Case(
                case["id"], case["expr"], shapes, [(values, np.array(_floats(case["expected_value"]), float), 1.0)]
            )


def _floats(value: Any) -> Any:
    return [_floats(v) for v in value] if isinstance(value, list) else float(value)
