"""Derivatives at a point as SciPy operators on flat vectors: products with them, never their elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .arguments import Array, Signature
from .flattening import Layout
from .graph import Node

if TYPE_CHECKING:
    import scipy.sparse.linalg


class Product(Protocol):
    """What an operator needs of a compiled `Function`: its arguments, and their values to the results in order."""

    @property
    def signature(self) -> Signature: ...
    def results(self, arrays: Sequence[Array]) -> list[Array]: ...


def multiplier(
    product: Product, values: Mapping[Node, Array], given: Layout, wanted: Layout
) -> Callable[[Any], Array]:
    """`product` as a function of one vector, all other arguments having these values."""

    def multiply(vector: Any) -> Array:
        parts = iter(given.split(np.asarray(vector).reshape(-1)))
        arguments = [values[x] if x in values else next(parts) for x in product.signature.symbols]
        return wanted.join(product.results(product.signature.arrays(arguments)))

    return multiply


def square(
    product: Product, values: Mapping[Node, Array], variables: Sequence[Node]
) -> scipy.sparse.linalg.LinearOperator:
    """The symmetric operator on vectors like `variables` that `product` applies."""
    here = Layout(tuple(values[x].shape for x in variables))
    return _operator(here, here, multiplier(product, values, here, here), None, [values[x] for x in variables])


def rectangular(
    forward: Product, backward: Product, values: Mapping[Node, Array], variables: Sequence[Node], outputs: Layout
) -> scipy.sparse.linalg.LinearOperator:
    """The operator from vectors like `variables` to vectors like `outputs`, applied by `forward`, its transpose by
    `backward`."""
    here = Layout(tuple(values[x].shape for x in variables))
    there, back = multiplier(forward, values, here, outputs), multiplier(backward, values, outputs, here)
    return _operator(outputs, here, there, back, [values[x] for x in variables])


def _operator(
    rows: Layout, columns: Layout, there: Callable[[Any], Array], back: Callable[[Any], Array] | None, like: Any
) -> scipy.sparse.linalg.LinearOperator:
    import scipy.sparse.linalg

    shape, dtype = (rows.size, columns.size), np.result_type(*like)
    return scipy.sparse.linalg.LinearOperator(shape, matvec=there, rmatvec=back or there, dtype=dtype)


__all__ = ["multiplier", "rectangular", "square"]
