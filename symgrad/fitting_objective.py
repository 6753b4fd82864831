"""What a fit minimises: a loss whose parameters and data are told apart, and the functions compiled from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .api import compile
from .arguments import Array, Signature, as_array, describe, parameters_of, suggestion
from .build import symbol
from .compiler.types import ArrayType, named
from .derivatives import gradients, hessian_products
from .element_types import DTYPE_NAMES
from .errors import ArgumentError
from .expression import FUNCTIONS, Expr, symbol_name
from .fitting_methods import Rule, states
from .formula import fresh
from .function import Function
from .graph import Node
from .just_in_time import JitFunction
from .tracing import symbols, trace
from .trees import Tree, is_tree, leaves, mapped, matching


@dataclass(frozen=True)
class Objective:
    """A loss as a function, and its variables in the structure in which the parameters are given."""

    function: Function
    tree: Tree

    @property
    def params(self) -> list[Node]:
        """The symbols of the parameters."""
        return [x for _, x in leaves(self.tree)]

    @property
    def data(self) -> Signature:
        """The other arguments of the loss."""
        variables = self.function.formula.variables("fit")
        return Signature(tuple(p for p in self.function.formula.parameters if p not in variables))

    @property
    def value(self) -> Node:
        """The loss itself."""
        return self.function.formula.output("fit")

    def arrays(self, params: Tree) -> list[Array]:
        """The values of the parameters as arrays.  Raises ArgumentError."""
        found = []
        for (label, value), x in zip(matching(self.tree, params, "params"), self.params, strict=True):
            found.append(as_array(value, x.type, label))
            if found[-1].ndim != x.type.rank:
                raise ArgumentError(f"{label}: expected {x.type}, got {describe(found[-1])}")
        return found

    def trace(self, params: Sequence[Array], data: Sequence[Array]) -> str:
        """Where the loss or its gradient is not finite, in the user's own text; "" if all is finite."""
        values = dict(zip([*self.params, *self.data.symbols], [*params, *data], strict=True))
        given = {p.name: mapped(values.__getitem__, p.tree) for p in self.function.formula.parameters}
        found = self.function.trace_nan(**given)
        return str(found) if found else ""

    # ---- compiled functions of the flat parameters and data

    def loss(self) -> Function:
        """The function of parameters and data that gives the loss, in a list."""
        return self._compiled([self.value])

    def value_and_grad(self, arrays: Sequence[Array]) -> Function:
        """The function of parameters and data that gives the loss and its gradients."""
        return self._compiled([self.value, *gradients(self.value, self.params)], arrays=arrays)

    def hessian_product(self, arrays: Sequence[Array]) -> Function:
        """The function of parameters, vectors like them and data that gives the Hessian's products."""
        taken = self._taken()
        vectors = [symbol(fresh(f"v_{symbol_name(w)}", taken), w.type) for w in self.params]
        found = hessian_products(self.value, dict(zip(self.params, [v.node for v in vectors], strict=True)))
        return self._compiled(found, vectors, arrays)

    def step(self, rule: Rule, options: Mapping[str, Any], decay: Sequence[float], arrays: Sequence[Array]) -> Function:
        """The function of parameters, states, rate, number of the step and data that gives the loss, the new
        parameters and the new states: forwards, backwards and the update in one."""
        taken = self._taken()
        rate, t = (symbol(fresh(name, taken), ArrayType("f64")) for name in ("rate", "t"))
        before, after, new = [], [], []
        for w, g, shrink in zip(self.params, gradients(self.value, self.params), decay, strict=True):
            own = [symbol(fresh(f"{s}_{symbol_name(w)}", taken), w.type) for s in states(rule)]
            direction, *state = rule(Expr(g), _like(t, w), *own, **options)
            if shrink:
                direction = direction + shrink * Expr(w)
            after.append(Expr(w) - _like(rate, w) * direction)
            before += own
            new += state
        if len(new) != len(before):
            raise ArgumentError(f"fit: the method has states {', '.join(states(rule))}; it must return a direction and "
                                "as many new states, in a tuple")  # fmt: skip
        return self._compiled([self.value, *after, *new], [*before, rate, t], arrays)

    def _compiled(self, outputs: Sequence[Any], more: Sequence[Expr] = (), arrays: Sequence[Array] = ()) -> Function:
        """A function of the parameters, `more` symbols and the data; `arrays`, typical parameters and data, tell the
        sizes that are likely."""
        known = [*self.params, *self.data.symbols]
        inputs = [*map(Expr, self.params), *more, *map(Expr, self.data.symbols)]
        sizes = Signature(parameters_of(known)).sizes(arrays) if arrays else None
        exprs = [Expr(y) if isinstance(y, Node) else y for y in outputs]
        found: Function = compile(exprs, inputs=inputs, sizes=sizes, threads=self.function.options.threads)
        return found

    def _taken(self) -> set[str]:
        return {symbol_name(x) for x in (*self.params, *self.data.symbols)}


def _like(scalar: Expr, w: Node) -> Expr:
    """`scalar` in the element type of `w`."""
    if w.type.dtype == "f64":
        return scalar
    found: Expr = FUNCTIONS["astype"](scalar, w.type.dtype)
    return found


# ---- from what the user calls a loss

def objective(loss: Any, params: Any, data: Any) -> Objective:
    """The objective of `loss`: an expression, a compiled function, or a NumPy-style function, which is traced for the
    shapes of `params` and `data`.  Raises ArgumentError."""
    if isinstance(loss, Expr):
        found = _of_expression(loss, params)
    elif isinstance(loss, Function):
        found = _of_function(loss, params)
    elif callable(loss):
        found = _of_callable(inspect.unwrap(loss) if isinstance(loss, JitFunction) else loss, params, data)
    else:
        raise ArgumentError(f"fit: the loss is an expression or a function, got {type(loss).__name__}")
    if found.value.type.shape:
        raise ArgumentError(f"fit: the loss must be a scalar, got {found.value.type}; take its mean or sum")
    return found


def _of_expression(loss: Expr, params: Any) -> Objective:
    if not isinstance(params, dict) or any(is_tree(v) for v in params.values()):
        raise ArgumentError("fit: for an expression, params is a dict from names of symbols to arrays; for another "
                            "structure, compile it with wrt=")  # fmt: skip
    for name in params:
        if name not in loss.symbols:
            raise ArgumentError(f"params: the loss has no symbol {name}{suggestion(str(name), loss.symbols)}")
    return _of_function(compile(loss, wrt={name: name for name in params}), params)


def _of_function(loss: Function, params: Any) -> Objective:
    variables = loss.formula.variables("fit")
    by_name = isinstance(params, dict) and params.keys() == {p.name for p in variables}
    return Objective(loss, {p.name: p.tree for p in variables} if by_name else loss.formula.tree("fit"))


def _of_callable(function: Callable[..., Any], params: Any, data: Any) -> Objective:
    """The objective of a function of `params`, or of the arrays in it by their names, and of the data.

    Sizes of parameters and of a sample are numbers, for they stay what they are while a fit runs."""
    takes = list(inspect.signature(function).parameters)
    if not takes:
        raise ArgumentError("fit: the loss takes no arguments; its first one is the parameters")
    by_name = isinstance(params, dict) and params.keys() <= set(takes)
    places: dict[str, Any] = params if by_name else {takes[0]: params}
    given = _named(data, [name for name in takes if name not in places])
    samples = next((len(a) for a in map(np.asanyarray, given.values()) if a.ndim), None)
    types: dict[str, Any] = {name: mapped(_type_of_parameter, tree) for name, tree in places.items()}
    types |= {name: _type_of_data(value, samples) for name, value in given.items()}
    arguments = symbols({name: types[name] for name in takes if name in types})
    declared = tuple(x.node for tree in arguments.values() for _, x in leaves(tree))
    value = trace(function, arguments, declared)
    inputs = [(name, tree) if is_tree(tree) else tree for name, tree in arguments.items()]
    return _of_function(compile(value, wrt=tuple(params) if by_name else takes[0], inputs=inputs), params)


def _named(data: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """The data by the names of the loss's arguments."""
    if not isinstance(data, Mapping):
        values = data if isinstance(data, tuple) else (data,)
        if len(values) > len(names):
            raise ArgumentError(f"data: the loss takes {', '.join(names) or 'no data'}, got {len(values)} arrays")
        return dict(zip(names, values, strict=False))
    for name in data:
        if name not in names:
            raise ArgumentError(f"data: the loss takes no {name}{suggestion(str(name), names)}")
    return data


def _type_of_parameter(value: Any) -> ArrayType:
    a = np.asarray(value)
    return ArrayType("f32" if a.dtype == np.float32 else "f64", a.shape)


def _type_of_data(value: Any, samples: int | None) -> ArrayType:
    """The type of an array of data; its first axis has a name if it is as long as there are samples."""
    a = np.asanyarray(value)
    dtype = "i64" if a.ndim and a.dtype.kind in "iu" else DTYPE_NAMES.get(a.dtype, "f64")
    dtype = "f64" if dtype == "i64" and not a.ndim else dtype
    first = (named("samples"),) if a.ndim and len(a) == samples else a.shape[:1]
    return ArrayType(dtype, (*first, *a.shape[1:]))


__all__ = ["Objective", "objective"]
