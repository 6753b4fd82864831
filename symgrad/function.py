"""`Function`: a formula as a compiled callable, with its derivatives as compiled callables.

A function compiles when it is first called.  Each derivative is a function of its own, made when it is first asked
for, with the same arguments; products take their vectors right behind the variables, as SciPy's `hessp` wants.  A
function is pickled as its formula: another process or machine compiles it anew.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import interpreter
from .arguments import Array, Parameter, Signature, describe
from .broadcasting import Points, Ranks, alike, over_points, ranks_of, spread
from .compiler.callables import natively_callable
from .compiler.types import DTYPES, ArrayType, evaluate
from .errors import ArgumentError
from .flattening import Layout
from .formula import JOINS, Formula
from .graph import FlatTable, Node, collector_paused, flatten, unflatten
from .machine import Bound, Machine, Options
from .progress import shown
from .shelf import Described, Request, Shelf
from .trees import Tree, leaves, mapped, matching, rebuilt

if TYPE_CHECKING:
    import scipy
    import scipy.sparse.linalg

    from .broadcasting_natively import NativeCalls
    from .checking import Certificate
    from .compiler.builtin import Entry
    from .compressed import CompressedFunction
    from .handles import Handle
    from .nonfinite import Nonfinite
    from .problem import Problem
    from .profiling import Profile
    from .sparse_function import SparseFunction

Shapes = tuple[tuple[int, ...], ...]
MOST_KNOWN = 1000
"""For so many sets of shapes a function remembers that it has checked them."""


@natively_callable
class Function:
    """A compiled formula: call it with array-likes, positionally (variables first) or by name.

    Results are new arrays, and Python numbers for scalars; ``out=`` takes arrays to write to (a structure of them
    for several outputs).  A formula of scalars takes arrays too and broadcasts them like a NumPy ufunc.  Arguments
    are never modified. Raises ArgumentError for arguments that do not fit, ShapeError and DomainError where the
    formula has no value for their sizes.

    `grad`, `value_and_grad`, `hessian`, `jacobian`, `hvp`, `jvp` and `vjp` are functions again.  Safe to call from
    several threads.
    """

    def __init__(self, given: Formula | Request, options: Options, layout: list[Layout] | None = None) -> None:
        self.request = given if isinstance(given, Request) else Request(given, options)
        self.options = options
        shelf = Shelf(self.request.facts)
        if shelf.described is None:
            shelf.described = Described.of(self.request.formula)
        self.outline, self.signature = shelf.described.outline, shelf.described.signature
        self._machine = Machine(lambda: self.request.formula.nodes, self.signature.symbols, options, shelf)
        self._layout: list[Layout] = [] if layout is None else layout
        self._lock = threading.RLock()
        self._derived: dict[str, Function] = {}
        self._over_points: dict[tuple[bool, ...], Machine] = {}
        self._natively: dict[Ranks, NativeCalls] = {}
        self._known: dict[Shapes, Bound] = {}
        self._never: set[Shapes] = set()
        self._entry: Entry | None = None
        self._single = isinstance(self.outline.outputs, ArrayType)

    @property
    def formula(self) -> Formula:
        """What is computed."""
        return self.request.formula

    # ---- calls

    # The second call for the same shapes gives what it found to machine code, and from then on such calls run without
    # any Python code: this method is for those that are not ordinary, or the first ones.
    def __call__(self, *args: Any, out: Any = None, **keywords: Any) -> Any:
        if self._natively and out is None and not keywords:
            calls = self._natively.get(ranks_of(args))
            if calls is not None:
                return calls(*args)
        return self._general_call(*args, out=out, **keywords)

    def _general_call(self, *args: Any, out: Any = None, **keywords: Any) -> Any:
        layout = self._vector_layout(args, keywords)
        if layout is not None:
            result = self._call_with_vectors(layout, args, keywords)
            return result if out is None else _copied(result, out)
        arrays = self.signature.arrays(self.signature.values(args, keywords))
        shapes = tuple([a.shape for a in arrays])
        bound = self._known.get(shapes)
        if bound is not None:
            if bound.version.kernel.quick:  # the first call was in a hurry, now it pays to have fast code
                bound = self._machine.bound(self.signature.sizes(arrays))
            self._hand_over(shapes, arrays, bound)
        elif self.signature.scalar and any(shapes):
            return self._call_over_points(arrays, out)
        else:
            numbers = self.signature.sizes(arrays)
            found = self._machine.bound(numbers, hurry=True) if self.options.wait else self._machine.soon(numbers)
            if found is None:
                return self._interpreted(arrays, numbers, out)
            bound = found
        result = self._given(bound.run(arrays)) if out is None else self._written(bound, arrays, out)
        self._remember(shapes, bound)
        return result

    def _interpreted(self, arrays: Sequence[Array], numbers: Mapping[str, int], out: Any) -> Any:
        """The results as NumPy computes them, node by node."""
        values = dict(zip(self.signature.symbols, arrays, strict=True))
        results = [np.array(a) for a in interpreter.run(self._machine.canonical, values, numbers)]
        if out is None:
            return self._given(results)
        for target, result in zip(self._checked_targets(out, [a.shape for a in results]), results, strict=True):
            np.copyto(target, result)
        return out

    def finish(self) -> Function:
        """Waits until the code is there that ``compile(..., wait=False)`` has made in the background; this function."""
        self._machine.finish()
        return self

    def _remember(self, shapes: Shapes, bound: Bound) -> None:
        """Keeps what was found for these shapes, so that the next call with them need not check them again."""
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
            self._never.clear()
        if not self.signature.counted:
            self._known[shapes] = bound

    def _hand_over(self, shapes: Shapes, arrays: Sequence[Array], bound: Bound) -> None:
        """Has further calls with arguments of these shapes run by machine code alone, where that can be."""
        if self._ambiguous or shapes in self._never or (self._entry is not None and shapes in self._entry.shapes):
            return
        from .compiler.builtin import entry

        with self._lock:
            if self._entry is None:
                arguments = [mapped(lambda x: x.type, p.tree) for p in self.outline.parameters]
                names = [p.name for p in self.outline.parameters]
                self._entry = entry(self, "__call__", names, arguments, self.outline.outputs)
            ready = bound.ready(arrays) if self._entry is not None else None
            if self._entry is not None and ready is not None:
                self._entry.add(shapes, ready)
            else:
                self._never.add(shapes)

    @cached_property
    def _ambiguous(self) -> bool:
        """Whether, once `flatten` has been called, the only variable may also be a vector of all variables: what a
        call gives depends on that."""
        variables = self.outline.variables("flatten") if self.outline.wrt else []
        return self.outline.several and len(variables) == 1

    @cached_property
    def _types(self) -> list[ArrayType]:
        """The types of the results in order."""
        return [type_ for _, type_ in leaves(self.outline.outputs)]

    def _given(self, results: Sequence[Array]) -> Any:
        """Results in the structure of the outputs, scalars as Python numbers."""
        if self._single:
            return results[0] if results[0].ndim else results[0].item()
        return rebuilt(self.outline.outputs, iter([a if a.ndim else a.item() for a in results]))

    def _written(self, bound: Bound, arrays: Sequence[Array], out: Any) -> Any:
        """`out`, holding the results."""
        numbers = self.signature.sizes(arrays)
        shapes = [tuple(evaluate(n, numbers) for n in type_.shape) for type_ in self._types]
        bound.run(arrays, self._checked_targets(out, shapes))
        return out

    def _checked_targets(self, out: Any, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        """The arrays in `out`, one per output.  Raises ArgumentError for those that results cannot be written to."""
        targets = []
        given = matching(self.outline.outputs, out, "out")
        for (label, a), type_, shape in zip(given, self._types, shapes, strict=True):
            wanted = ArrayType(type_.dtype, shape)
            if not isinstance(a, np.ndarray):
                raise ArgumentError(f"{label}: expected an array to write {wanted} to, got {type(a).__name__}")
            if a.shape != shape or a.dtype != DTYPES[type_.dtype]:
                raise ArgumentError(f"{label}: expected {wanted}, got {describe(a)}")
            if not a.flags.writeable:
                raise ArgumentError(f"{label}: the array is read-only")
            targets.append(a)
        return targets

    def _call_over_points(self, arrays: Sequence[Array], out: Any) -> Any:
        self.signature.require({})
        points = spread(self.signature.labels, arrays)
        machine = self._points_machine(points.many)
        numbers = {"points": points.count}
        shapes = [points.shape + tuple(evaluate(n, {}) for n in type_.shape) for type_ in self._types]
        targets = None if out is None else self._checked_targets(out, shapes)
        if targets is not None and all(a.flags.c_contiguous for a in targets):
            rows = [a.reshape(points.count, *a.shape[len(points.shape) :]) for a in targets]
            machine.run(points.arrays, numbers, rows)
            return out
        results = [a.reshape(shape) for a, shape in zip(machine.run(points.arrays, numbers), shapes, strict=True)]
        if targets is None:
            if alike(points, [a.shape for a in arrays]):
                self._hand_over_points(points, arrays, machine)
            return rebuilt(self.outline.outputs, iter(results))
        for a, result in zip(targets, results, strict=True):
            np.copyto(a, result)
        return out

    def _hand_over_points(self, points: Points, arrays: Sequence[Array], machine: Machine) -> None:
        """Has further calls with arguments of these shapes run by machine code alone, where that can be."""
        if self._ambiguous or any(not isinstance(p.tree, Node) for p in self.outline.parameters):
            return
        from .broadcasting_natively import NativeCalls

        ranks = ranks_of(arrays)
        with self._lock:
            if ranks not in self._natively:
                names = [p.name for p in self.outline.parameters]
                types = [
                    ArrayType(x.type.dtype, (1,) * rank) for x, rank in zip(self.signature.symbols, ranks, strict=True)
                ]
                rank = len(points.shape)
                self._natively[ranks] = NativeCalls(self._general_call, names, types, self.outline.outputs, rank)
            ready = machine.bound({"points": points.count}).ready(points.arrays)
            self._natively[ranks].add(tuple(a.shape for a in arrays), ready, points.shape)

    def _points_machine(self, many: tuple[bool, ...]) -> Machine:
        with self._lock:
            if many not in self._over_points:
                roots, symbols = over_points(self._machine.canonical, self.signature.symbols, many)
                self._over_points[many] = Machine(roots, symbols, self.options)
            return self._over_points[many]

    # ---- derivatives

    def _derive(self, kind: str) -> Function:
        with self._lock:
            if kind not in self._derived:
                with shown(1, self.options.verbose) as tell, collector_paused():
                    tell("derivative")
                    request = Request(self.request, self.options, kind)
                    self._derived[kind] = Function(request, self.options, self._layout)
            return self._derived[kind]

    @cached_property
    def grad(self) -> Function:
        """The gradient of a scalar, with the shape of the variable (a structure of gradients for several variables)."""
        return self._derive("grad")

    @cached_property
    def value_and_grad(self) -> Function:
        """The pair of value and gradient, computed together."""
        return self._derive("value_and_grad")

    @cached_property
    def hessian(self) -> Function:
        """The second derivatives of a scalar: the variable's axes twice; blocks for several variables."""
        return self._derive("hessian")

    @cached_property
    def hessian_diagonal(self) -> Function:
        """The diagonal of the Hessian of a scalar, with the shape of the variable; nothing else is computed."""
        return self._derive("hessian_diagonal")

    @cached_property
    def jacobian(self) -> Function:
        """The derivatives of the outputs: an output's axes, then the variable's."""
        return self._derive("jacobian")

    @cached_property
    def hvp(self) -> Function:
        """``f.hvp(w, v, ...)``: the Hessian times a vector `v` like the variable, at a small multiple of the
        gradient's cost."""
        return self._derive("hvp")

    @cached_property
    def jvp(self) -> Function:
        """``f.jvp(w, v, ...)``: the derivative of the outputs along `v`."""
        return self._derive("jvp")

    @cached_property
    def vjp(self) -> Function:
        """``f.vjp(w, u, ...)``: the cotangent of the variable for the cotangent `u` of the outputs."""
        return self._derive("vjp")

    @cached_property
    def gauss_newton(self) -> Function:
        """``f.gauss_newton(w, v, ...)``: J'J times a vector `v` like the variable, J the Jacobian of the outputs."""
        return self._derive("gauss_newton")

    @cached_property
    def weighted_hessian(self) -> Function:
        """``f.weighted_hessian(w, u, ...)``: the sum of the Hessians of all elements of the outputs, each times its
        weight in `u`, which is like the outputs: what ``scipy.optimize.NonlinearConstraint(f, ..., hess=)`` takes."""
        return self._derive("weighted_hessian")

    @cached_property
    def value_grad_and_hessian(self) -> Function:
        """The value, the gradient and the Hessian of a scalar, computed together."""
        return self._derive("value_grad_and_hessian")

    @cached_property
    def sparse_hessian(self) -> SparseFunction:
        """The Hessian of a scalar as a `scipy.sparse.csc_array` over the elements of all variables: of what the formula
        shows to be zero nothing is computed (see ``Expr.hessian(sparse=True)``)."""
        return self._matrix("sparse_hessian")

    @cached_property
    def sparse_jacobian(self) -> SparseFunction:
        """The Jacobian of one output, an element a row, as a `scipy.sparse.csc_array`: what ``least_squares(f, x0,
        jac=)`` takes."""
        return self._matrix("sparse_jacobian")

    @cached_property
    def sparse_weighted_hessian(self) -> SparseFunction:
        """`weighted_hessian` as a `scipy.sparse.csc_array`, for ``NonlinearConstraint(f, ..., hess=)``."""
        return self._matrix("sparse_weighted_hessian")

    def _matrix(self, kind: str) -> SparseFunction:
        from .sparse_function import sparse_of

        return sparse_of(self, kind)

    @cached_property
    def compressed_hessian(self) -> CompressedFunction:
        """The Hessian of a scalar with respect to one array in the form that its structure allows: diagonal, a block
        for each index of some axes, a Kronecker product.  What it gives at a point multiplies vectors and solves:
        ``w - f.compressed_hessian(w, ...).solve(f.grad(w, ...))`` is a Newton step.

        >>> import symgrad as sg
        >>> f = sg.compile(sg.parse("sum((A @ X - B)**2)", X="n,k", A="m,n", B="m,k"), wrt="X")
        >>> H = f.compressed_hessian([[0.0], [0.0]], [[1.0, 0], [0, 2]], [[1.0], [1]])
        >>> type(H).__name__, H.solve([[-2.0], [-4.0]]).tolist()
        ('Kronecker', [[-1.0], [-0.5]])
        """
        from .compressed import compressed_of

        return compressed_of(self, "compressed_hessian")

    def hessian_operator(self, *args: Any, **keywords: Any) -> scipy.sparse.linalg.LinearOperator:
        """The Hessian at a point as a SciPy operator on flat vectors: its products cost one `hvp` each."""
        from .operators import square

        return square(self.hvp, *self._at("hessian_operator", args, keywords))

    def gauss_newton_operator(self, *args: Any, **keywords: Any) -> scipy.sparse.linalg.LinearOperator:
        """J'J at a point, J being the Jacobian of the outputs, as a SciPy operator on flat vectors."""
        from .operators import square

        return square(self.gauss_newton, *self._at("gauss_newton_operator", args, keywords))

    def jacobian_operator(self, *args: Any, **keywords: Any) -> scipy.sparse.linalg.LinearOperator:
        """The Jacobian at a point as a SciPy operator from flat vectors like the variables to flat vectors like the
        outputs: its products cost one `jvp` each, those of its transpose one `vjp`."""
        from .operators import rectangular

        values, variables = self._at("jacobian_operator", args, keywords)
        numbers = self.signature.sizes([values[x] for x in self.signature.symbols])
        outputs = Layout(tuple(tuple(evaluate(n, numbers) for n in type_.shape) for type_ in self._types))
        return rectangular(self.jvp, self.vjp, values, variables, outputs)

    def _at(
        self, what: str, args: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> tuple[dict[Node, Array], list[Node]]:
        """The values of all symbols for these arguments, and the symbols of the variables."""
        variables = self.outline.variables(what)
        args = self.apart(args, keywords)
        signature = Signature(self.outline.parameters)
        values = dict(zip(signature.symbols, signature.arrays(signature.values(args, keywords)), strict=True))
        return values, [x for p in variables for x in p.symbols]

    def apart(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
        """`args` with the variables in the place of the vector that `flatten` made of them, if it is such a call."""
        layout = self._vector_layout(args, keywords)
        return args if layout is None else (*self._unjoined(layout, args[:1], 1), *args[1:])

    def results(self, arrays: Sequence[Array]) -> list[Array]:
        """The results in order for arrays of the symbols in order, of their exact types."""
        return self._machine.run(arrays, self.signature.sizes(arrays))

    def problem(self, *args: Any, **keywords: Any) -> Problem:
        """This function with the arguments behind the variables bound, for optimisers: value and gradient at one point
        are computed together."""
        from .problem import Problem

        return Problem(self, args, keywords)

    # ---- callers from machine code

    @cached_property
    def _handle(self) -> Handle:
        from .handles import handle

        return handle(self._machine, self.signature.labels, self._types)

    @property
    def address(self) -> int:
        """The address of a C function that computes this, valid as long as this function lives.

        `prototype` is its type: scalars are given by value, arrays as pointers to contiguous elements; one scalar
        result is returned (NaN if an index is out of range), other results are written to arrays behind the arguments,
        and 0 is returned (or 1 if an index was out of range).  It may be called from several threads and without the
        GIL.  Raises ArgumentError where sizes are not numbers, and for formulas that call Python back.
        """
        return self._handle.address

    @property
    def prototype(self) -> str:
        """The type of the C function at `address`.

        >>> import symgrad as sg
        >>> sg.compile(sg.parse("sum(a*x)", a="", x="3")).prototype
        'double (double a, const double *x)'
        """
        return self._handle.prototype

    @property
    def ctypes(self) -> Any:
        """The C function at `address` for ctypes, and for Numba's compiled functions; keeps its code alive.

        >>> import symgrad as sg
        >>> sg.compile(sg.parse("x**2 + y", x="", y="")).ctypes(3.0, 1.0)
        10.0
        """
        return self._handle.function()

    def lowlevel(self, signature: str | None = None) -> scipy.LowLevelCallable:
        """This function as a `scipy.LowLevelCallable`, for routines that call back without Python: ``quad``, ``nquad``,
        ``ndimage.generic_filter`` and others.  Keeps its code alive.

        A function of doubles has the signatures ``"double (double)"`` (one argument) and ``"double (int, double *)"``,
        one of a vector ``"int (double *, intptr_t, double *, void *)"`` (filters) and ``"double (int, double *)"``;
        by default the first that it has.  Raises ArgumentError if it has none.

        >>> import scipy.integrate
        >>> import symgrad as sg
        >>> f = sg.compile(sg.parse("x**2", x=""))
        >>> round(scipy.integrate.quad(f.lowlevel(), 0, 3)[0], 9)
        9.0
        """
        return self._handle.low_level(signature)

    # ---- variables as one vector

    def flatten(self, variables: Any) -> Array:
        """The values of all variables as one vector, a copy.

        From then on the function, its gradient and the other derivatives also take such a vector in the place of
        the variables, and give vectors and matrices: ``minimize(f, f.flatten(params), args=..., jac=f.grad)``.  The
        shapes are remembered."""
        tree = self.outline.tree("flatten")
        values = [np.asarray(v) for _, v in matching(tree, variables, "variables")]
        layout = Layout(tuple(v.shape for v in values))
        self._layout[:] = [layout]
        return layout.join([v.astype(DTYPES[x.type.dtype]) for v, (_, x) in zip(values, leaves(tree), strict=True)])

    def unflatten(self, vector: Any) -> Any:
        """The variables in the vector `vector`, in their structure, with the shapes that `flatten` saw last."""
        if not self._layout:
            raise ArgumentError("unflatten: call flatten(...) first, which tells the shapes of the variables")
        return rebuilt(self.outline.tree("unflatten"), iter(self._layout[0].split(vector)))

    def _vector_layout(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> Layout | None:
        """The layout by which the first argument is all variables in one vector; None in an ordinary call."""
        if not self._layout or not args or not isinstance(args[0], np.ndarray) or args[0].ndim != 1:
            return None
        variables = self.outline.variables("flatten")
        if list(self.outline.parameters[: len(variables)]) != variables:
            return None
        plain = not self.outline.several and isinstance(variables[0].tree, Node) and variables[0].tree.type.rank == 1
        shorter = len(self.outline.parameters) - self.outline.groups * (len(variables) - 1)
        return None if plain or len(args) + len(keywords) != shorter else self._layout[0]

    def _unjoined(self, layout: Layout, vectors: Sequence[Any], groups: int) -> Iterator[Any]:
        """The arguments that the leading vectors stand for."""
        variables = self.outline.variables("flatten")
        for vector in vectors[:groups]:
            parts = iter(layout.split(vector))
            for p in variables:
                yield rebuilt(p.tree, parts)

    def _call_with_vectors(self, layout: Layout, args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        groups = self.outline.groups
        result = self(*self._unjoined(layout, args, groups), *args[groups:], **keywords)
        join = JOINS[self.outline.join]
        if join is None:
            return result
        return join(layout, [v for _, v in matching(self.outline.outputs, result, "result")])

    # ---- trusting it

    def _given_values(
        self, args: Sequence[Any], keywords: Mapping[str, Any]
    ) -> tuple[dict[Node, Array], dict[str, int]]:
        """The arrays of a call by their symbols, and the numbers of the size names."""
        arrays = self.signature.arrays(self.signature.values(args, keywords))
        return dict(zip(self.signature.symbols, arrays, strict=True)), self.signature.sizes(arrays)

    def check(self, *args: Any, most: int = 8, **keywords: Any) -> Certificate:
        """A certificate: value, gradient and Hessian as compiled against the same formula with 50 digits, and its
        derivative rules against differences of the value with as many, at the given point and at adversarial ones.

        Prints the largest errors in ulps and where they are; truthy if nothing is worse than its condition allows.  Of
        long gradients `most` elements are looked at.  Raises ArgumentError for a function that is no scalar, and for
        operations without a meaning in high precision.
        """
        from .checking import check

        values, sizes = self._given_values(args, keywords)
        return check(self.formula, self.options, values, sizes, most)

    def trace_nan(self, *args: Any, **keywords: Any) -> Nonfinite:
        """The first part of the formula, in the user's own text, that became NaN or infinite in the value or, if a
        gradient is known to be wanted, in the gradient; with the values that went in, and what helps if it is known.

        Falsy if all is finite.  A formula of scalars takes arrays here too.
        """
        from .nonfinite import trace, trace_points

        arrays = self.signature.arrays(self.signature.values(args, keywords))
        if self.signature.scalar and any(a.ndim for a in arrays):
            return trace_points(self.formula, self.signature.labels, arrays)
        return trace(self.formula, *self._given_values(args, keywords))

    def profile(self, *args: Any, **keywords: Any) -> Profile:
        """Time and bytes of each part of the formula, in the user's own text, for these arguments: each part compiled
        alone, beside the time of the whole, in which the parts share their loops."""
        from .profiling import profile

        return profile(self.formula, self.options, *self._given_values(args, keywords))

    # ---- looking at it

    def show(self, stage: str = "program") -> str:
        """The text of one stage: "graph", "program", "loops", "llvm" or "asm"."""
        from .stages import text_of_stage

        return text_of_stage(self._machine.anew, self.signature.labels, stage)

    def __repr__(self) -> str:
        pairs = zip(self.signature.labels, self.signature.symbols, strict=True)
        types = ", ".join(f"{label}: {x.type}" for label, x in pairs)
        return f"<symgrad function ({types}) -> {self.outline.outputs}>"

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(p.name, kind) for p in self.outline.parameters])

    def __reduce__(self) -> tuple[Any, ...]:
        base = self.request.base
        nodes, symbols = base.nodes, base.symbols
        number = {x: k for k, x in enumerate(dict.fromkeys([*nodes, *symbols]))}
        outputs = mapped(number.__getitem__, base.outputs)
        parameters = [(p.name, mapped(number.__getitem__, p.tree)) for p in base.parameters]
        facts = (base.wrt, base.several, base.groups, base.join)
        table = flatten(list(number))
        return _restored, (table, outputs, parameters, facts, self.options, tuple(self._layout), self.request.kinds)

    def __copy__(self) -> Function:
        return self

    def __deepcopy__(self, memo: object) -> Function:
        return self


def _copied(result: Any, out: Any) -> Any:
    """`out` holding `result`, which variables in one vector gave."""
    if not isinstance(out, np.ndarray) or not isinstance(result, np.ndarray | float) or out.shape != np.shape(result):
        raise ArgumentError(f"out: expected an array of shape {np.shape(result)}" if not isinstance(result, tuple) else
                            "out: cannot take a value and a gradient in one vector; leave it out")  # fmt: skip
    np.copyto(out, result)
    return out


def _restored(
    table: FlatTable, outputs: Tree, parameters: Any, facts: Any, options: Options, layout: Sequence[Layout],
    kinds: Sequence[str],
) -> Function:  # fmt: skip
    nodes = unflatten(table)
    known = tuple(Parameter(name, mapped(nodes.__getitem__, tree)) for name, tree in parameters)
    request = Request(Formula(mapped(nodes.__getitem__, outputs), known, *facts), options)
    for kind in kinds:
        request = Request(request, options, kind)
    return Function(request, options, list(layout))
