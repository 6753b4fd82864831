"""How the functions of formulas are written in NumPy and SciPy.

A template has ``{0}``, ``{1}`` for the arguments, ``{all}`` for all of them, ``{axis}`` for the axis (None for all) and
``{more}`` for the keywords.  What has no template is the NumPy function that symgrad takes for the same (`NUMPY`) or
the SciPy special function of the same name.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..expression import FUNCTIONS, NUMPY

TEMPLATES: dict[str, str] = {
    "mask": "np.where({0}, {1}, 0)", "stop_gradient": "{0}", "relu": "np.maximum({0}, 0)",
    "sigmoid": "special.expit({0})", "softplus": "np.logaddexp(0, {0})", "log1mexp": "np.log(-np.expm1({0}))",
    "logsumexp": "special.logsumexp({0}, axis={axis})", "softmax": "special.softmax({0}, axis={axis})",
    "log_softmax": "special.log_softmax({0}, axis={axis})", "softmax_rest": "(1 - special.softmax({0}, axis={axis}))",
    "trace": "np.trace({0}, axis1=-2, axis2=-1)", "diagonal": "np.diagonal({0}, axis1=-2, axis2=-1)",
    "logdet": "np.linalg.slogdet({0})[1]", "svd": "np.linalg.svd({0}{more})",
    "eigh": "np.linalg.eigh(symmetric({0}))", "eigvalsh": "np.linalg.eigvalsh(symmetric({0}))",
    "cholesky": "np.linalg.cholesky(symmetric({0}))", "lstsq": "np.linalg.lstsq({0}, {1}, rcond=None)",
    "expm": "linalg.expm({0})", "solve_triangular": "linalg.solve_triangular({0}, {1}{more})",
    "cumsum": "np.cumsum({0}, axis={axis})", "cumprod": "np.cumprod({0}, axis={axis})",
    "cummax": "np.maximum.accumulate({0}, axis={axis})", "logcumsumexp": "np.logaddexp.accumulate({0}, axis={axis})",
    "take_along_axis": "np.take_along_axis({0}, {1}, axis=-1)",
    "argsort": "np.argsort({0}, kind='stable', axis={axis})", "unslice": "unslice({all}{more})",
    "scatter": "scatter({all}{more})", "gather": "gather({all}{more})", "scatter_at": "scatter_at({all}{more})",
    "shift": "shift({0}{more})", "correlate_valid": "correlate_valid({0}, {1})",
    "arange": "np.arange({0})", "eye": "np.eye({all}{more})",
    "zeros": "np.zeros({all})", "ones": "np.ones({all})", "full": "np.full({0}, {1})", "array": "np.array({0})",
    "astype": "np.asarray({0}, {1})",
}  # fmt: skip
LAST_AXIS = ("softmax", "log_softmax", "softmax_rest", "cumsum", "cumprod", "cummax", "logcumsumexp", "argsort")
_SPECIAL = """gamma expi exp1 dawsn erfi erfcinv spence gammainc gammaincc betainc kv kve
erf erfc gammaln digamma polygamma betaln beta zeta jv yv iv ive erfinv erfcx ndtr log_ndtr ndtri logit
xlogy xlog1py entr rel_entr lambertw"""
ELEMENT_TYPES = {'"f32"': "np.float32", '"f64"': "float", '"i64"': "np.int64", '"bool"': "bool"}
SPECIAL = frozenset(_SPECIAL.split())
DEFINITIONS = {
    "symmetric": """
    def symmetric(x):
        return (x + np.swapaxes(x, -1, -2))/2
""",
    "unslice": """
    def unslice(x, shape, start, step=None):
        shape, start, step = (v if isinstance(v, tuple) else (v,) for v in (shape, start, step))
        step = step if step != (None,) else (1,)*len(shape)
        lead = x.shape[:x.ndim - len(shape)]
        result = np.zeros((*lead, *shape), x.dtype)
        places = [f + s*np.arange(k) for f, s, k in zip(start, step, x.shape[len(lead):])]
        result[(..., *np.ix_(*places))] = x
        return result
""",
    "scatter": """
    def scatter(x, k, size, axis=0):
        moved = np.moveaxis(x.reshape(*x.shape[:axis], -1, *x.shape[axis + k.ndim:]), axis, 0)
        result = np.zeros((size, *moved.shape[1:]), x.dtype)
        np.add.at(result, k.reshape(-1), moved)
        return np.moveaxis(result, 0, axis)
""",
    "correlate_valid": """
    def correlate_valid(x, w):
        windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[-1], axis=-1)
        return np.einsum('...ik,...k->...i', windows, w)
""",
    "gather": """
    def gather(x, *indices, axis):
        return x[(slice(None),)*(axis % x.ndim) + indices]
""",
    "scatter_at": """
    def scatter_at(x, *indices, shape, axis):
        axis = axis % x.ndim
        result = np.zeros((*x.shape[:axis], *shape, *x.shape[axis + indices[0].ndim:]), x.dtype)
        np.add.at(result, (slice(None),)*axis + indices, x)
        return result
""",
    "shift": """
    def shift(x, reverse=False):
        zero = np.zeros((*x.shape[:-1], 1), x.dtype)
        parts = [x[..., 1:], zero] if reverse else [zero, x[..., :-1]]
        return np.concatenate(parts, axis=-1)
""",
}


@cache
def numpy_name(name: str) -> str | None:
    """What a function of formulas without a template is called in NumPy or SciPy; None if it is not there."""
    for function, ours in NUMPY.items():
        if ours == name or (name in FUNCTIONS and FUNCTIONS.get(ours) is FUNCTIONS[name]):
            spelling = function.__name__
            for module, prefix in ((np, "np"), (np.linalg, "np.linalg")):
                if getattr(module, spelling, None) is function:
                    return f"{prefix}.{spelling}"
    return f"special.{name}" if name in SPECIAL else None


def spelled(name: str) -> bool:
    """Whether NumPy or SciPy says `name`."""
    return name in TEMPLATES or numpy_name(name) is not None


def template(name: str, keywords: dict[str, str]) -> str:
    """The template of a call with these keywords."""
    more = "".join(f", {k}={ELEMENT_TYPES.get(v, v) if k == 'dtype' else v}" for k, v in keywords.items())
    found = TEMPLATES.get(name, f"{numpy_name(name)}({{all}}{{more}})")
    axis = keywords.get("axis", "-1" if name in LAST_AXIS else "None")
    if name in LAST_AXIS and keywords.get("reverse") == "True":
        found = "np.flip(" + found.replace("{0}", "np.flip({0}, {axis})") + ", {axis})"
    return found.replace("{axis}", axis).replace("{more}", more)
