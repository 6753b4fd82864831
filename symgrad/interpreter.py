"""The reference meaning of a graph: numbers in NumPy, node by node, in the order of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from .compiler.types import DTYPES, evaluate
from .errors import OutOfMemory
from .expression import symbol_name
from .graph import Node, postorder


def run(roots: Sequence[Node], values: Mapping[Node, Any], sizes: Mapping[str, int]) -> list[Any]:
    """The values of `roots` where `values` are those of the symbols and `sizes` the numbers of the size names.

    Intermediate arrays are freed after their last use.  Raises KeyError for a symbol without value."""
    order = postorder(roots)
    last: dict[Node, int] = {}
    for k, x in enumerate(order):
        for i in x.inputs:
            last[i] = k
    kept = set(roots)
    known: dict[Node, Any] = {}
    for k, x in enumerate(order):
        if x.op.name == "symbol":
            if x not in values:
                raise KeyError(symbol_name(x))
            known[x] = values[x]
        else:
            try:
                args = [known[i] for i in x.inputs]
                known[x] = _on_diagonal(x, args, sizes) if _has_identity(x) else x.op.evaluate(args, x.params, sizes)
            except MemoryError as error:
                raise OutOfMemory(f"{x.op.name}: {x.type} does not fit into memory: {error}") from None
            except ValueError as error:
                if not _is_too_large(x, sizes):
                    raise
                raise OutOfMemory(f"{x.op.name}: {x.type} has more elements than addresses: {error}") from None
        for i in x.inputs:
            if last[i] == k and i not in kept:
                known.pop(i, None)
    return [np.asarray(known[root]) for root in roots]


def _is_too_large(x: Node, sizes: Mapping[str, int]) -> bool:
    """Whether NumPy cannot have arrays of the size of `x`, which it says in other ways than when memory is short."""
    return prod(evaluate(n, sizes) for n in x.type.shape) >= 2**59


def _has_identity(x: Node) -> bool:
    return x.op.name == "einsum" and any(i.op.name == "delta" for i in x.inputs)


def _on_diagonal(x: Node, args: Sequence[Any], sizes: Mapping[str, int]) -> Any:
    """A product with identities.  Nothing is multiplied by one that ties two axes of the result: the product of the
    others stands where both indices are the same, and zeros elsewhere, also where the others are infinite."""
    labels, out, extra = x.params
    same: dict[int, int] = {}
    rest = []
    for k, (i, ls) in enumerate(zip(x.inputs, labels, strict=True)):
        others = {label for j, other in enumerate(labels) if j != k for label in other}
        if i.op.name == "delta" and len(set(ls)) == 2 and set(ls) <= set(out) and ls[1] not in others:
            same[ls[1]] = ls[0]
        else:
            rest.append(k)
    if not same or len(set(out)) < len(out):
        return x.op.evaluate(args, x.params, sizes)
    kept = tuple(k for k in out if k not in same)
    used = {k for j in rest for k in labels[j]}
    lengths = dict(extra)
    for ls, i in zip(labels, x.inputs, strict=True):
        lengths.update(zip(ls, i.type.shape, strict=True))
    more = tuple(sorted((k, lengths[k]) for k in kept if k not in used))
    parts, places = [args[j] for j in rest], tuple(labels[j] for j in rest)
    if not parts:
        parts, places = [np.ones((), DTYPES[x.type.dtype])], ((),)
    body = x.op.evaluate(parts, (places, kept, more), sizes)
    result = np.zeros([evaluate(lengths[k], sizes) for k in out], DTYPES[x.type.dtype])
    diagonal = np.einsum(result, [same.get(k, k) for k in out], list(kept))
    diagonal[...] = body
    return result
