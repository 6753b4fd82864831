"""The largest errors found of the vector mathematics, in ulps of the exact result: name -> (f64, f32), rounded up.

Written by `python -m tests.compiler.vecmath_survey`: f64 on millions of points, f32 functions of one argument on every
f32, the worst judged with 50 digits.  The tests hold every function to its row.
"""

from __future__ import annotations

PROMISED = {"exp": 1.0, "log": 1.0, "sin": 1.0, "cos": 1.0, "zeta": 4.0,
            "lambertw0": 3.0, "lambertw1": 3.0, "erfcx_derivative": 10.0}  # fmt: skip
"""What users may rely on; 2.0 for every other function."""

NOTES = {
    "gammaln": "below 0 in ulps of max(1, |result|), because of the zeros there",
    "digamma": "below 0 in ulps of max(1, |result|), because of the zeros there",
    "zeta": "for s and q above 0; below q = 0 its terms may cancel",
    "erfcx_derivative": "of orders up to 6",
    "logaddexp": "in ulps of max(|result|, |max(x, y)|), because the two may cancel",
}
"""Where an error is not measured in ulps of the result."""

MEASURED: dict[str, tuple[float, float]] = {
    "lambertw0": (2.7, 0.5),
    "lambertw1": (2.7, 0.51),
    "zeta": (2.6, 0.5),
    "erfcx_derivative": (9.0, 0.5),
    "exp": (0.89, 0.89),
    "exp2": (0.88, 0.86),
    "expm1": (1.31, 1.1),
    "tanh": (1.42, 1.42),
    "sech_squared": (1.5, 1.5),
    "cosh": (0.9, 0.93),
    "sinh": (0.97, 0.99),
    "sigmoid": (0.89, 0.91),
    "log": (0.77, 0.76),
    "log1p": (1.23, 1.34),
    "log2": (0.9, 0.96),
    "log10": (0.83, 0.88),
    "softplus": (1.75, 1.87),
    "logsigmoid": (1.71, 1.87),
    "asin": (0.6, 0.6),
    "acos": (0.58, 0.6),
    "atan": (0.71, 0.81),
    "atan2": (0.73, 0.93),
    "asinh": (1.16, 1.17),
    "acosh": (0.99, 0.88),
    "atanh": (0.74, 0.74),
    "i0e": (0.92, 0.5),
    "i1e": (0.92, 0.5),
    "erf": (1.44, 1.44),
    "erfc": (1.37, 1.59),
    "pow": (0.86, 0.5),
    "cbrt": (0.5, 0.5),
    "hypot": (0.75, 0.75),
    "logaddexp": (0.89, 0.77),
    "sin": (0.77, 0.75),
    "cos": (0.75, 0.75),
    "tan": (0.92, 0.87),
    "gammaln": (1.29, 0.5),
    "digamma": (1.24, 0.5),
    "erfcx": (1.16, 0.5),
    "ndtr": (1.31, 0.5),
    "log_ndtr": (1.85, 0.5),
    "erfinv": (1.19, 0.5),
    "erfcinv": (1.77, 0.5),
    "ndtri": (1.4, 0.5),
    "expm1_over_x": (1.45, 1.29),
    "log1p_over_x": (1.04, 1.51),
    "sin_over_x": (1.41, 0.81),
    "one_minus_cos_over_x2": (1.15, 1.2),
}
