"""`init`: arrays to start from, by shape.

The scales keep the variance of what flows through a layer: forwards (LeCun et al., "Efficient BackProp", 1998;
He et al., "Delving Deep into Rectifiers", ICCV 2015) or in both directions (Glorot and Bengio, AISTATS 2010);
orthogonal matrices keep it exactly (Saxe, McClelland, Ganguli, ICLR 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt
from typing import Any

import numpy as np

from .arguments import Array, suggestion
from .compiler.types import DTYPES, ArrayType, evaluate, is_float, names
from .errors import ArgumentError
from .tracing import typed
from .trees import leaves, rebuilt

Shape = tuple[int, ...]
Random = np.random.Generator


def _glorot(rng: Random, shape: Shape, inputs: int, outputs: int) -> Array:
    limit = sqrt(6 / max(1, inputs + outputs))
    return rng.uniform(-limit, limit, shape)


def _orthogonal(rng: Random, shape: Shape, inputs: int, outputs: int) -> Array:
    """Orthonormal columns, or rows where there are fewer of them; uniform among these matrices."""
    *stack, m, n = shape
    q, r = np.linalg.qr(rng.standard_normal((*stack, max(m, n), min(m, n))))
    q = q * np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :]
    return np.ascontiguousarray(q if m >= n else q.swapaxes(-1, -2))


WEIGHTS: dict[str, Callable[[Random, Shape, int, int], Array]] = {
    "glorot": _glorot,
    "he": lambda rng, shape, inputs, outputs: rng.standard_normal(shape) * sqrt(2 / max(1, inputs)),
    "lecun": lambda rng, shape, inputs, outputs: rng.standard_normal(shape) * sqrt(1 / max(1, inputs)),
    "orthogonal": _orthogonal,
}
"""What fills an array of two or more axes, from its shape and the numbers of a layer's inputs and outputs."""
FILLS = {"zeros": 0.0, "ones": 1.0}


def init(shapes: Any, method: str = "glorot", *, seed: int = 0, axis: int = -2, **sizes: int) -> Any:
    """Arrays of the given shapes, in the same structure.

    `shapes` is a dict, or nested dicts and lists, of shapes as `parse` takes them: ``"64,100"``, ``"f32[n,h]"``, ``""``
    for a scalar, a number or a tuple of numbers; `sizes` are the numbers of names in them.  Arrays of two or more axes
    hold weights: "glorot" (uniform), "he" and "lecun" (normal) or "orthogonal"; vectors and scalars are zero.  "zeros"
    and "ones" fill everything.  Of the two last axes, `axis` is the one that a layer's inputs run along: -2 for
    ``X @ W``, -1 for ``W @ x``; axes before them count stacked layers.  The same seed gives the same arrays.

    Raises ArgumentError, and ShapeError for what is no shape.

    >>> import symgrad as sg
    >>> params = sg.init({"W1": "n,100", "b1": 100, "W2": (100, 10)}, "he", n=64)
    >>> params["W1"].shape, params["W1"].std().round(2).item(), abs(params["b1"]).max().item()
    ((64, 100), 0.18, 0.0)
    """
    known = [*WEIGHTS, *FILLS]
    if method not in known:
        raise ArgumentError(f"init: unknown method {method!r}{suggestion(str(method), known)}: {', '.join(known)}")
    if axis not in (-2, -1):
        raise ArgumentError(f"init: axis is -2 (for X @ W) or -1 (for W @ x), got {axis!r}")
    rng, tree = np.random.default_rng(seed), typed(shapes)
    found = [(path, _numbers(path, type_, sizes), type_) for path, type_ in leaves(tree)]
    used = {name for _, _, type_ in found for n in type_.shape for name in names(n)}
    for name in sizes.keys() - used:
        raise ArgumentError(f"init: no shape has a size {name}{suggestion(name, used)}")
    return rebuilt(tree, iter([_array(rng, shape, method, axis).astype(DTYPES[t.dtype]) for _, shape, t in found]))


def _numbers(path: str, type_: ArrayType, sizes: dict[str, int]) -> Shape:
    if not is_float(type_.dtype):
        raise ArgumentError(f"init: {path or 'the array'} is {type_}; parameters are f64 or f32")
    for lost in sorted({name for n in type_.shape for name in names(n)} - sizes.keys()):
        raise ArgumentError(f"init: {path or 'the array'} is {type_}: say how large {lost} is, init(..., {lost}=…)")
    return tuple(evaluate(n, sizes) for n in type_.shape)


def _array(rng: Random, shape: Shape, method: str, axis: int) -> Array:
    if method in FILLS or len(shape) < 2:
        return np.full(shape, FILLS.get(method, 0.0))
    inputs = shape[axis]
    return WEIGHTS[method](rng, shape, inputs, prod(shape[-2:]) // max(1, inputs))


__all__ = ["init"]
