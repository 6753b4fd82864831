"""A function with its data bound: what an optimiser needs, the value and the gradient at one point computed
together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .arguments import Signature, as_array
from .errors import ArgumentError
from .formula import Formula
from .trees import is_tree, leaves, mapped

if TYPE_CHECKING:
    import scipy.sparse.linalg


class Differentiable(Protocol):
    """What a problem needs of a `Function`."""

    outline: Formula
    signature: Signature

    @property
    def value_and_grad(self) -> Any: ...
    @property
    def hessian(self) -> Any: ...
    @property
    def value_grad_and_hessian(self) -> Any: ...
    @property
    def hvp(self) -> Any: ...
    def hessian_operator(self, *args: Any, **keywords: Any) -> scipy.sparse.linalg.LinearOperator: ...


class Problem:
    """``p = f.problem(X, y, lam)`` has ``p(w)``, ``p.grad(w)``, ``p.hessian(w)``, ``p.hvp(w, v)`` and
    ``p.hessian_operator(w)``; made by `Function.problem`.

    Value and gradient at one point are computed in one pass, whichever is asked for first, and kept until another
    point comes; so are all three where the Hessian is asked for first, and a Hessian asked for again is not computed
    again.  The data are converted once; they are not copied where they need no conversion, and must not
    change meanwhile.

    >>> import scipy.optimize
    >>> import symgrad as sg
    >>> f = sg.compile(sg.parse("sum((A @ w - y)**2)", w="n", A="m,n", y="m"), wrt="w")
    >>> p = f.problem([[1, 0], [0, 2]], [1, 1])
    >>> scipy.optimize.minimize(p, [0, 0], jac=p.grad, hess=p.hessian, method="Newton-CG").x.round(6).tolist()
    [1.0, 0.5]
    """

    def __init__(self, function: Differentiable, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        self.function = function
        variables = function.outline.variables("problem")
        first = list(function.outline.parameters[: len(variables)])
        if first != variables:
            raise ArgumentError(f"problem: the variables must come first among the arguments {function.signature}")
        self._count = len(variables)
        given = function.signature.bind([None] * self._count + list(args), keywords)
        self._data = [
            given[p.name] if is_tree(p.tree) else as_array(given[p.name], p.tree.type, p.name)
            for p in function.outline.parameters[self._count :]
        ]
        self._last: tuple[bytes, Any, Any] | None = None
        self._last_hessian: tuple[bytes, Any] | None = None

    def __call__(self, *variables: Any) -> Any:
        return self._at(variables)[1]

    def grad(self, *variables: Any) -> Any:
        """The gradient at a point."""
        return mapped(_copied, self._at(variables)[2])

    def hessian(self, *variables: Any) -> Any:
        """The Hessian at a point."""
        point = _point(variables)
        known = self._last_hessian
        if known is None or known[0] != point:
            if self._last is None or self._last[0] != point:
                *first, hessian = self.function.value_grad_and_hessian(*variables, *self._data)
                self._last = (point, first[0], first[1])
            else:
                hessian = self.function.hessian(*variables, *self._data)
            known = self._last_hessian = (point, hessian)
        return mapped(_copied, known[1])

    def hvp(self, *variables_and_vectors: Any) -> Any:
        """The Hessian at a point times a vector."""
        return self.function.hvp(*variables_and_vectors, *self._data)

    def hessian_operator(self, *variables: Any) -> scipy.sparse.linalg.LinearOperator:
        """The Hessian at a point as a SciPy operator."""
        return self.function.hessian_operator(*variables, *self._data)

    def _at(self, variables: Sequence[Any]) -> tuple[bytes, Any, Any]:
        point = _point(variables)
        last = self._last
        if last is None or last[0] != point:
            last = self._last = (point, *self.function.value_and_grad(*variables, *self._data))
        return last


def _point(variables: Sequence[Any]) -> bytes:
    return b"".join(np.asarray(v).tobytes() for tree in variables for _, v in leaves(tree))


def _copied(a: Any) -> Any:
    return a.copy() if isinstance(a, np.ndarray) else a


__all__ = ["Problem"]
