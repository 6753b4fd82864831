"""Parameters of any structure as one vector, for optimisers that know only vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from .compiler.records import record
from .errors import ArgumentError

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


@record(frozen=True, slots=True)
class Layout:
    """The shapes of arrays that stand one behind the other in a vector."""

    shapes: tuple[Shape, ...]

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(map(prod, self.shapes))

    def join(self, arrays: Sequence[Any]) -> Array:
        """The vector of all elements of `arrays`, a copy."""
        parts = [np.asarray(a).reshape(-1) for a in arrays]
        return np.concatenate(parts) if parts else np.zeros(0)

    def split(self, x: Any) -> list[Array]:
        """The arrays in the vector `x`: views of it.  Raises ArgumentError if its length is another."""
        x = np.asarray(x)
        if x.shape != (self.size,):
            raise ArgumentError(f"the variables were flattened to {self.size} numbers, got an array of shape {x.shape}")
        ends = list(accumulate(map(prod, self.shapes)))
        return [x[end - prod(shape) : end].reshape(shape) for end, shape in zip(ends, self.shapes, strict=True)]

    def columns(self, blocks: Sequence[Any], rows: Shape) -> Array:
        """Derivatives of one output of shape `rows` with respect to each array, side by side: shape (*rows, size)."""
        return np.concatenate([np.asarray(b).reshape(*rows, -1) for b in blocks], axis=-1)

    def matrix(self, blocks: Sequence[Any]) -> Array:
        """The blocks of a Hessian, row by row, as one square matrix."""
        n = len(self.shapes)
        lengths = [prod(s) for s in self.shapes]
        grid = [
            [np.asarray(b).reshape(lengths[i], lengths[j]) for j, b in enumerate(blocks[i * n : (i + 1) * n])]
            for i in range(n)
        ]
        return np.block(grid) if grid else np.zeros((0, 0))


__all__ = ["Layout"]
