"""The largest errors found of the vector mathematics, in ulps of the exact result: name -> (f64, f32), rounded up.

Written by `python -m tests.compiler.vecmath_survey`: f64 on millions of points, f32 functions of one argument on every
f32, the worst judged with 50 digits.  The tests hold every function to its row.
"""

from __future__ import annotations

PROMISED = {"exp": 1.0, "log": 1.0, "sin": 1.0, "cos": 1.0}
"""What users may rely on; 2.0 for every other function."""

NOTES = {
    "gammaln": "below 0 in ulps of max(1, |result|), because of the zeros there",
    "digamma": "below 0 in ulps of max(1, |result|), because of the zeros there",
    "logaddexp": "in ulps of max(|result|, |max(x, y)|), because the two may cancel",
}
"""Where an error is not measured in ulps of the result."""

MEASURED: dict[str, tuple[float, float]] = {
    "exp": (0.9, 0.89),
    "exp2": (0.87, 0.86),
    "expm1": (1.31, 1.1),
    "tanh": (1.42, 1.42),
    "hypot": (0.75, 0.75),
}
