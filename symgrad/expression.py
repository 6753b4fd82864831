"""`Expr`: what users hold, and `apply`, the one way in which operations come to exist.

An `Expr` is a node with what mathematics does not know: the declared symbols in their order, whether its element type
is only a suggestion (`weak`, like a Python number in NumPy 2), and the text it came from.  Its operators, methods and
NumPy protocols look functions up by name in `FUNCTIONS`, which the rows in `ops/` fill: that is what lets the rules of
operations be written with the same operators that users write, without a cycle of imports.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .compiler.types import DTYPES, RANK, ArrayType, Dim, FloorDiv, Max0, Size, floordiv, is_float, max0, named
from .errors import ArgumentError, DTypeError, ShapeError, SymgradError
from .graph import Node, Op, Params, lookup, node, postorder

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Every function that formulas may call, by name: the parser, NumPy's protocols and `sg.name` all read this table."""
NUMPY: dict[Any, str] = {}
"""NumPy functions and ufuncs to the names of ours."""
DEFAULTS: dict[Any, Mapping[str, Any]] = {}
"""NumPy functions to what they take for arguments that are left out, where ours take something else."""
METHODS: dict[str, str] = {}
"""Names of methods and attributes of `Expr` to the functions that they call."""


F = TypeVar("F", bound=Callable[..., Any])


def function(
    name: str, *aliases: str, numpy: Iterable[Any] = (), method: bool = False
) -> Callable[[F], F]:
    """Registers a function on expressions under `name` and `aliases`, as the meaning of the given NumPy functions (one
    whose defaults differ comes in a pair with them, one that older versions of NumPy lack as its name), and with
    `method` as a method of `Expr`."""

    def add(f: F) -> F:
        for n in (name, *aliases):
            if n in FUNCTIONS:
                raise ValueError(f"function {n} is registered twice")
            FUNCTIONS[n] = f
        for given in numpy:
            if isinstance(given, str) and not hasattr(np, given):
                continue
            given = getattr(np, given) if isinstance(given, str) else given
            source, DEFAULTS[source] = given if isinstance(given, tuple) else (given, {})
            NUMPY[source] = name
        if method:
            METHODS[name] = name
        return f

    return add


UFUNC_METHODS = {
    "reduce": {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logaddexp": "logsumexp",
               "logical_and": "all", "logical_or": "any"},
    "accumulate": {"add": "cumsum", "multiply": "cumprod", "maximum": "cummax", "minimum": "cummin",
                   "logaddexp": "logcumsumexp"},
}  # fmt: skip
"""What the methods of ufuncs are called here."""


_signature = lru_cache(maxsize=1024)(inspect.signature)


def called(
    name: str, f: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """``f(*args, **keywords)``, with `defaults` for what is not given.  ArgumentError if `f` does not take them."""
    taken = _signature(f)
    try:
        bound = taken.bind(*args, **keywords)
    except TypeError as error:
        raise ArgumentError(f"{name}: {error} (symbolic values take {taken})") from None
    missing = {k: v for k, v in (defaults or {}).items() if k not in bound.arguments}
    return f(*args, **keywords, **missing)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A formula as the user wrote it, and the part of it that each node came from."""

    text: str
    spans: dict[Node, tuple[int, int]] = field(default_factory=dict, repr=False)


INSTEAD = {
    "eig": "sg.eigh takes symmetric matrices", "eigvals": "sg.eigvalsh takes symmetric matrices",
    "fft": "there are no complex numbers", "rfft": "there are no complex numbers", "partition": "use sort",
    "argpartition": "use argsort", "apply_along_axis": "use sg.vmap", "vectorize": "use sg.vmap",
    "insert": "use concatenate", "unique": "its size depends on the values",
    "histogram": "use digitize and bincount(minlength=)", "argwhere": "use nonzero",
    "lexsort": "use argsort of each key, the last one first", "choose": "use select or take_along_axis",
    "nanmedian": "use median(x[~isnan(x)])", "tensorsolve": "use reshape and solve",
    "tensorinv": "use reshape and inv", "modf": "use trunc(x) and x - trunc(x)", "ldexp": "use x*2.0**k",
    "resize": "use tile and reshape", "fill_diagonal": "use where(eye(n, dtype='bool'), ...)",
    "array_equal": "use all(x == y)", "unwrap": "use cumsum and round",
}  # fmt: skip
"""What to do where NumPy has a function that is no operation here."""


def _instead(name: str) -> str:
    return f"; {INSTEAD[name]}" if name in INSTEAD else ""


class Expr:
    """An expression: a value of some type in terms of symbols.  Acts like a NumPy array under operators, NumPy
    functions and indexing; calling it with values evaluates it.  Made by `parse`, `from_function`, `from_sympy` and the
    symbols (`scalar`, `vector`, `matrix`, `tensor`).

    >>> import symgrad as sg
    >>> x = sg.vector("x", "n")
    >>> sg.sum(x**2).grad(x)
    2*x
    """

    __slots__ = ("assumptions", "declared", "node", "origin", "source", "weak")
    __array_priority__ = 1000

    node: Node
    declared: tuple[Node, ...]
    weak: bool
    source: Source | None
    assumptions: tuple[str, ...]
    origin: tuple[Expr, Any] | None

    def __init__(
        self, node: Node, declared: tuple[Node, ...] = (), *, weak: bool = False, source: Source | None = None
    ) -> None:
        self.node, self.declared, self.weak, self.source = node, declared, weak, source
        self.assumptions = ()
        self.origin = None

    @property
    def type(self) -> ArrayType:
        """Element type and shape, e.g. ``f64[m, n]``."""
        return self.node.type

    @property
    def dtype(self) -> str:
        """Element type: "f64", "f32", "i64" or "bool"."""
        return self.node.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.node.type.shape)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes of the axes: integers where they are known, otherwise expressions usable as numbers and as
        sizes."""
        return tuple(n if isinstance(n, int) else size(n) for n in self.node.type.shape)

    @property
    def size(self) -> Any:
        """Number of elements, as an integer or as an expression of the sizes."""
        from .compiler.types import product

        total = product(self.node.type.shape)
        return total if isinstance(total, int) else size(total)

    def __len__(self) -> int:
        if not self.ndim:
            raise ShapeError(f"len() of a scalar ({self.type})")
        n = self.type.shape[0]
        if not isinstance(n, int):
            raise ShapeError(f"len(): the first axis of {self.type} has no fixed size; use .shape[0]")
        return n

    def __iter__(self) -> Iterator[Expr]:
        return iter([self[k] for k in range(len(self))])

    def __bool__(self) -> bool:
        raise ArgumentError(
            f"a symbolic value ({self.type}) has no truth value: use where(condition, a, b) instead of if, "
            "and & | ~ instead of and, or, not"
        )

    def __float__(self) -> float:
        raise ArgumentError(f"a symbolic value ({self.type}) is not a number: use symgrad's or NumPy's functions on it")

    __int__ = __float__
    __index__ = __float__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise ArgumentError(
            f"a symbolic value ({self.type}) cannot become a NumPy array: use NumPy's functions on it, or "
            "sg.array([...]) to put expressions together"
        )

    def __hash__(self) -> int:
        return hash(self.node)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        along = UFUNC_METHODS.get(method, {}).get(ufunc.__name__)
        if along is not None:
            return called(f"numpy.{ufunc.__name__}.{method}", FUNCTIONS[along], inputs, {"axis": 0, **kwargs})
        if method == "outer" and ufunc in NUMPY and len(inputs) == 2 and not kwargs:
            left, right = map(lift, inputs)
            return FUNCTIONS[NUMPY[ufunc]](left[(..., *[None] * right.ndim)], right)
        if method != "__call__" or ufunc not in NUMPY:
            called_ = f"numpy.{ufunc.__name__}{'' if method == '__call__' else '.' + method}"
            raise DTypeError(f"{called_}: not an operation of symgrad{_instead(ufunc.__name__)}")
        f = FUNCTIONS[NUMPY[ufunc]]
        return called(f"numpy.{ufunc.__name__}", f, inputs, kwargs) if kwargs else f(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in NUMPY:
            raise DTypeError(f"{func.__module__}.{func.__name__}: not an operation of symgrad{_instead(func.__name__)}")
        return called(f"numpy.{func.__name__}", FUNCTIONS[NUMPY[func]], args, kwargs, DEFAULTS[func])

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            f = FUNCTIONS[METHODS[name]]
            return lambda *args, **kwargs: called(name, f, (self, *args), kwargs)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def T(self) -> Expr:
        """All axes reversed."""
        result: Expr = FUNCTIONS["transpose"](self)
        return result

    @property
    def mT(self) -> Expr:
        """The last two axes interchanged."""
        result: Expr = FUNCTIONS["matrix_transpose"](self)
        return result

    @property
    def real(self) -> Expr:
        """The value itself, which is real."""
        return self

    def __divmod__(self, other: Any) -> tuple[Expr, Expr]:
        quotient, remainder = FUNCTIONS["divmod"](self, other)
        return quotient, remainder

    def __round__(self, digits: int | None = None) -> Expr:
        result: Expr = FUNCTIONS["round"](self, digits or 0)
        return result

    def __getitem__(self, index: Any) -> Expr:
        result: Expr = FUNCTIONS["getitem"](self, index)
        return result

    def __call__(self, *args: Any, **values: Any) -> Any:
        """The value for values of the symbols, by name or in the order of declaration, computed by NumPy without
        compiling."""
        from .api import evaluate

        return evaluate(self, *args, **values)

    def __repr__(self) -> str:
        from .show.text import text

        return text(self)

    def _repr_latex_(self) -> str | None:
        from .show.latex import notebook_latex

        return notebook_latex(self)

    def text(self, *, layout: str | None = None) -> str:
        """The formula as text, as `str` gives it; a derivative in "numerator" layout (that of a scalar by a vector is a
        row) or in "denominator" layout (a Jacobian stands on its side).

        >>> import symgrad as sg
        >>> sg.parse("A @ x", A="m,n", x="n").jacobian("x").text(layout="denominator")
        'A.T'
        """
        from .show.text import text

        return text(self, layout)

    def latex(self, style: Any = None, *, layout: str | None = None, **options: Any) -> str:
        """The formula in LaTeX, without dollar signs; `style` is a `symgrad.show.latex.Style`, or its `options` are
        given one by one: ``latex(bold=False, transpose="T")``; `layout` as for `text`."""
        from .show.latex import Style, latex

        return latex(self, Style(**options) if style is None else style, layout)

    def mathml(self, *, layout: str | None = None) -> str:
        """The formula as a `math` element of MathML; `layout` as for `text`."""
        from .show.mathml import mathml

        return mathml(self, layout)

    def python(self, name: str = "f") -> str:
        """The source of a NumPy function that computes this from arrays for the symbols."""
        from .show.source import python

        return python(self, name)

    def c(self, name: str = "f") -> str:
        """The source of a C99 function that computes this."""
        from .show.c_source import c

        return c(self, name)

    def sympy(self) -> Any:
        """This formula in SymPy.  Raises ArgumentError for operations without counterpart there."""
        from .sympy_bridge import to_sympy

        return to_sympy(self)

    def plot(
        self, wrt: str | None = None, start: float = -3.0, stop: float = 3.0, *, order: int = 1, axes: Any = None,
        **values: Any,
    ) -> Any:  # fmt: skip
        """Draws this scalar and its derivatives by `wrt` up to `order` over [start, stop]; the other symbols get
        `values`.  Returns matplotlib's axes (the extra `plot`), those given as `axes` or new ones."""
        from .show.plotting import plot

        return plot(self, wrt, start, stop, order, axes, values)

    def draw(self) -> Any:
        """The graph as a drawing that notebooks show; ``.svg`` and ``.dot`` of the result are text.

        Of a gradient, the nodes of its formula and those that back-propagation appended have two colours."""
        from .show.drawing import draw

        return draw(self) if self.origin is None else draw(self.origin[0].canonical(), [self])

    @property
    def symbols(self) -> dict[str, Expr]:
        """The symbols by name: the declared ones in their order, then others that occur."""
        from .calculus import all_symbols

        return {name: Expr(x, (x,)) for name, x in check_names(all_symbols(self)).items()}

    @property
    def shapes(self) -> dict[str, str]:
        """The shape of every symbol in the notation that `parse` takes: ``parse(str(f), **f.shapes)``."""
        return {name: shape_text(x.type) for name, x in self.symbols.items()}

    def grad(self, wrt: Any = None) -> Any:
        """The gradient of a scalar with respect to a symbol (or its name); a tuple or dict of symbols gives the same
        structure of gradients.  The only symbol need not be named.

        >>> import symgrad as sg
        >>> sg.parse("x' @ A @ x", A="n,n", x="n").grad("x")
        A @ x + A.T @ x
        """
        from .calculus import grad

        return grad(self, wrt)

    def jacobian(self, wrt: Any = None, *, sparse: bool = False) -> Any:
        """All first derivatives: the axes of the value, then those of the variable.

        With `sparse`, a `SparseMatrix` with one row per element of the value and one column per element of the variable
        (or of all variables of a tuple): its structure follows from the formula, and only its entries are computed."""
        if sparse:
            from .sparse_function import sparse_derivative

            return sparse_derivative(self, wrt, "jacobian")
        from .calculus import jacobian

        return jacobian(self, wrt)

    def hessian(self, wrt: Any = None, other: Any = None, *, sparse: bool = False, compressed: bool = False) -> Any:
        """The second derivatives of a scalar; ``hessian("w", "b")`` is a mixed block, a tuple gives all blocks.

        With `sparse`, a `SparseMatrix` over the elements of the variables (see `jacobian`).  With `compressed`, a
        `CompressedHessian`: diagonal, block-diagonal or a Kronecker product where the formula is seen to have such a
        Hessian; at a point it multiplies vectors and solves for Newton steps without the whole matrix.

        >>> import symgrad as sg
        >>> L = sg.parse("sum((A @ X - B)**2)", A="m,n", X="n,k", B="m,k")
        >>> L.hessian("X", compressed=True)
        Kronecker Hessian with respect to X: along axes ((0,),), scale, multiple of the identity
          A.T @ A
          2.0
          0.0
        """
        if (other is not None) + sparse + compressed > 1:
            raise ArgumentError("hessian: a mixed block, sparse=True and compressed=True exclude one another")
        if sparse:
            from .sparse_function import sparse_derivative

            return sparse_derivative(self, wrt, "hessian")
        if compressed:
            from .compressed import compressed_hessian

            return compressed_hessian(self, wrt)
        from .calculus import hessian

        return hessian(self, wrt, other)

    def hessian_diagonal(self, wrt: Any = None) -> Any:
        """The diagonal of the Hessian of a scalar, in the shape of the variable (a structure of them for several);
        nothing else is computed."""
        from .calculus import hessian_diagonal

        return hessian_diagonal(self, wrt)

    def hvp(self, wrt: Any, v: Any) -> Any:
        """The Hessian of a scalar times the direction `v` (an expression, or the name of a new symbol)."""
        from .calculus import hvp

        return hvp(self, wrt, v)

    def gauss_newton(self, wrt: Any, v: Any) -> Any:
        """J'J times the direction `v` (an expression, or the name of a new symbol), J being the Jacobian."""
        from .calculus import gauss_newton

        return gauss_newton(self, wrt, v)

    def jvp(self, wrt: Any, v: Any) -> Expr:
        """The derivative along the direction `v` of the variables."""
        from .calculus import jvp

        return jvp(self, wrt, v)

    def vjp(self, wrt: Any, u: Any) -> Any:
        """The cotangent `u` (an expression of the type of this one, or the name of a new symbol) times the Jacobian."""
        from .calculus import vjp

        return vjp(self, wrt, u)

    def replace(self, values: Mapping[Any, Any] | None = None, **named_values: Any) -> Expr:
        """This expression with symbols replaced by expressions, numbers or arrays: ``L.replace(lam=0.1)``."""
        from .calculus import replace

        return replace(self, {**(values or {}), **named_values})

    def simplify(
        self, *, method: str | None = None, cost: Any = "length", assume: Mapping[Any, Any] | None = None
    ) -> Expr:
        """The shortest form found, equal in value wherever this one is finite; ``.assumptions`` of the result says what
        was taken for granted ("norm(x) is not zero").

        `assume` says what is known of symbols: "positive", "nonnegative", "negative", "nonzero", "integer", "real",
        "symmetric", "invertible", "positive definite", or a list of these.  `cost` is what gets less: "length" of the
        printed formula, "operations", or a function of an expression.  ``method="sympy"`` asks SymPy's simplifier
        (scalars only).  Raises ArgumentError for other words.

        >>> import symgrad as sg
        >>> sg.parse("x' @ A @ x", A="n,n", x="n").grad("x").simplify(assume={"A": "symmetric"})
        2*A @ x
        """
        from .calculus import simplified

        return simplified(self, method, cost, assume)

    def cost(self, **sizes: int) -> Any:
        """Operations and memory as polynomials in the sizes; `sizes` are likely numbers, by which products are ordered.

        >>> import symgrad as sg
        >>> sg.parse("x' @ A @ x", A="n,n", x="n").hessian("x").cost()
        n*n operations, 8*n*n bytes of inputs, 16*n*n bytes of results
        """
        from .costing import cost

        return cost([self.node], sizes)

    def explain(self, wrt: Any = None) -> Any:
        """How the gradient of this scalar comes about: intermediate variables, cotangents, simplifications.  Called on
        a gradient that `grad` gave, it explains that gradient."""
        from .explanation import explain

        if self.origin is not None and wrt is None:
            return explain(*self.origin)
        return explain(self, wrt)

    def canonical(self) -> Expr:
        """The canonical form: equal formulas have the same one, whichever way they were written."""
        from .calculus import canonical

        return canonical(self)

    if TYPE_CHECKING:  # set below, from the table of functions
        def __add__(self, other: Any, /) -> Expr: ...
        def __radd__(self, other: Any, /) -> Expr: ...
        def __sub__(self, other: Any, /) -> Expr: ...
        def __rsub__(self, other: Any, /) -> Expr: ...
        def __mul__(self, other: Any, /) -> Expr: ...
        def __rmul__(self, other: Any, /) -> Expr: ...
        def __truediv__(self, other: Any, /) -> Expr: ...
        def __rtruediv__(self, other: Any, /) -> Expr: ...
        def __floordiv__(self, other: Any, /) -> Expr: ...
        def __rfloordiv__(self, other: Any, /) -> Expr: ...
        def __mod__(self, other: Any, /) -> Expr: ...
        def __rmod__(self, other: Any, /) -> Expr: ...
        def __pow__(self, other: Any, /) -> Expr: ...
        def __rpow__(self, other: Any, /) -> Expr: ...
        def __matmul__(self, other: Any, /) -> Expr: ...
        def __rmatmul__(self, other: Any, /) -> Expr: ...
        def __and__(self, other: Any, /) -> Expr: ...
        def __rand__(self, other: Any, /) -> Expr: ...
        def __or__(self, other: Any, /) -> Expr: ...
        def __ror__(self, other: Any, /) -> Expr: ...
        def __xor__(self, other: Any, /) -> Expr: ...
        def __rxor__(self, other: Any, /) -> Expr: ...
        def __lt__(self, other: Any, /) -> Expr: ...
        def __le__(self, other: Any, /) -> Expr: ...
        def __gt__(self, other: Any, /) -> Expr: ...
        def __ge__(self, other: Any, /) -> Expr: ...
        def __eq__(self, other: Any, /) -> Expr: ...  # type: ignore[override]
        def __ne__(self, other: Any, /) -> Expr: ...  # type: ignore[override]
        def __neg__(self) -> Expr: ...
        def __pos__(self) -> Expr: ...
        def __abs__(self) -> Expr: ...
        def __invert__(self) -> Expr: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.node, self.declared, self.weak, self.source.text if self.source else None)


def shape_text(type_: ArrayType) -> str:
    """A type in the notation of shapes: "m, n", "" for a scalar, "f32[m, n]" for other element types."""
    return (
        ", ".join(map(str, type_.shape))
        if type_.dtype == "f64"
        else f"{type_.dtype}[{', '.join(map(str, type_.shape))}]"
    )


def _rebuild(node: Node, declared: tuple[Node, ...], weak: bool, text: str | None) -> Expr:
    return Expr(node, declared, weak=weak, source=Source(text) if text is not None else None)


_OPERANDS = (Expr, int, float, np.ndarray, np.generic, list, complex)


def _binary(name: str) -> Callable[[Expr, Any], Expr]:
    def operator(self: Expr, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        result: Expr = FUNCTIONS[name](self, other)
        return result

    return operator


def _reflected(name: str) -> Callable[[Expr, Any], Expr]:
    def operator(self: Expr, other: Any) -> Expr:
        result: Expr = FUNCTIONS[name](other, self)
        return result

    return operator


def _unary(name: str) -> Callable[[Expr], Expr]:
    def operator(self: Expr) -> Expr:
        result: Expr = FUNCTIONS[name](self)
        return result

    return operator


for _symbol, _name in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide", "mod": "mod",
    "pow": "power", "matmul": "matmul", "and": "logical_and", "or": "logical_or", "xor": "logical_xor",
}.items():  # fmt: skip
    setattr(Expr, f"__{_symbol}__", _binary(_name))
    setattr(Expr, f"__r{_symbol}__", _reflected(_name))
for _symbol, _name in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                       "ne": "not_equal"}.items():  # fmt: skip
    setattr(Expr, f"__{_symbol}__", _binary(_name))
for _symbol, _name in {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "logical_not"}.items():
    setattr(Expr, f"__{_symbol}__", _unary(_name))


# ---- leaves

def constant(value: Any, dtype: str | None = None) -> Expr:
    """A constant: a number, or a NumPy array whose elements are copied.  Python numbers are weak, as in NumPy 2.

    Raises DTypeError for complex numbers, objects and sparse arrays."""
    if type(value) in _PACKED and dtype in (None, "f64"):
        data = _packed(value, dtype)
        if data is not None:
            return Expr(node(lookup("constant"), (), data), weak=dtype is None)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        value = float(value) if abs(value) < 2**1023 else float("inf") * (1 if value > 0 else -1)
    array = _numeric(value)
    chosen = dtype or next(name for name, kind in DTYPES.items() if kind == array.dtype)
    array = np.ascontiguousarray(array.astype(DTYPES[chosen])).reshape(array.shape)
    weak = dtype is None and type(value) in (int, float, bool)
    return Expr(node(lookup("constant"), (), (chosen, array.shape, array.tobytes())), weak=weak)


_PACKED = {float: ("f64", struct.Struct("=d")), int: ("i64", struct.Struct("=q")), bool: ("bool", struct.Struct("=?"))}


def _packed(value: Any, dtype: str | None) -> Params | None:
    """The parameters of a constant node for a Python number without the detour over an array, None for large
    integers."""
    try:
        name, form = _PACKED[float] if dtype else _PACKED[type(value)]
        return name, (), form.pack(value)
    except (OverflowError, struct.error):
        return None


def _numeric(value: Any) -> np.ndarray[Any, Any]:
    if hasattr(value, "tocsr"):
        raise DTypeError(f"constant: sparse arrays are not supported ({type(value).__name__}); use .toarray()")
    if isinstance(value, np.ma.MaskedArray):
        raise DTypeError("constant: masked arrays are not supported; fill them or use where(mask, ...)")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise DTypeError(f"constant: {type(value).__name__} is not an array of numbers: {error}") from None
    kind = array.dtype.kind
    if kind == "b":
        return array
    if kind in "iu":
        return array.astype(np.int64)
    if kind == "f":
        return array if array.dtype == np.float32 else array.astype(np.float64)
    what = "complex numbers are" if kind == "c" else f"element type {array.dtype} is"
    raise DTypeError(f"constant: {what} not supported; symgrad computes with real float64, float32, int64 and bool")


def size(n: Dim) -> Expr:
    """The number of elements along an axis of size `n`, as a weak integer expression."""
    return Expr(node(lookup("size"), (), (n, "i64")), weak=True) if not isinstance(n, int) else constant(n)


def lift(value: Any) -> Expr:
    """`value` as an expression: an `Expr` as it is, numbers and arrays as constants, lists of expressions stacked."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, Size):
        return size(value)
    if holds_expressions(value):
        stacked: Expr = FUNCTIONS["array"](value)
        return stacked
    if isinstance(value, str):
        raise ArgumentError(f"expected a value, got the text {value!r}")
    return constant(value)


def holds_expressions(value: Any) -> bool:
    """Whether `value` is a list or tuple with an expression somewhere in it."""
    pending: list[Any] = [value] if isinstance(value, list | tuple) else []
    while pending:
        v = pending.pop()
        if isinstance(v, Expr):
            return True
        if isinstance(v, list | tuple):
            pending.extend(v)
    return False


def dim(value: Any) -> Dim:
    """`value` as a size: an integer, a `Size`, a size name, or an expression made of sizes and integers."""
    if isinstance(value, bool):
        raise ShapeError("a size must be an integer, not a bool")
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, Size):
        return value
    if isinstance(value, str):
        from .build import parse_size

        return parse_size(value)
    if isinstance(value, Expr):
        known = dim_of_node(value.node)
        if known is not None:
            return known
    raise ShapeError(f"a size must be an integer or made of size names, got {value!r}")


def dim_of_node(root: Node) -> Dim | None:
    """The size that an integer expression of sizes and constants stands for, or None if it is something else."""
    known: dict[Node, Dim | None] = {}
    for x in postorder([root]):
        known[x] = _dim_step(x, [known[i] for i in x.inputs])
    return known[root]


def _dim_step(x: Node, inputs: list[Dim | None]) -> Dim | None:
    if x.type.shape:
        return None
    if x.op.name == "size":
        n = x.params[0]
        assert isinstance(n, int | Size)
        return n
    if x.op.name == "constant":
        number = constant_value(x).item()
        return int(number) if float(number).is_integer() else None
    args: list[Dim] = [a for a in inputs if a is not None]
    if len(args) != len(inputs) or not args:
        return None
    if x.op.name in ("add", "mul"):
        total = args[0]
        for a in args[1:]:
            total = total + a if x.op.name == "add" else total * a
        return total
    if x.op.name == "cast":
        return args[0]
    if x.op.name == "neg":
        return -1 * args[0]
    if x.op.name == "sub":
        return args[0] - args[1]
    if x.op.name == "floordiv":
        return floordiv(args[0], args[1]) if args[1] != 0 else None
    if x.op.name == "maximum" and 0 in args:
        return max0(args[0] if args[1] == 0 else args[1])
    return None


def constant_value(x: Node) -> np.ndarray[Any, Any]:
    """The array that a constant node holds (read-only)."""
    dtype, shape, data = x.params
    assert isinstance(dtype, str) and isinstance(shape, tuple) and isinstance(data, bytes)
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


# ---- making nodes

def merge_declared(args: Sequence[Expr]) -> tuple[Node, ...]:
    """The declared symbols of `args` in order, each once."""
    first = args[0].declared if args else ()
    if all(a.declared is first or not a.declared for a in args):
        return first
    return tuple(dict.fromkeys(d for a in args for d in a.declared))


def merge_source(args: Sequence[Expr]) -> Source | None:
    """The text that `args` came from, when it is one text."""
    for a in args:
        if a.source is not None:
            return a.source
    return None


def cast(x: Expr, dtype: str) -> Expr:
    """`x` with elements of `dtype`; constants and sizes are made anew, anything else gets a conversion."""
    if x.dtype == dtype:
        return Expr(x.node, x.declared, source=x.source) if x.weak else x
    if x.node.op.name == "constant":
        value = constant_value(x.node)
        return Expr(constant(value if value.ndim else value.item(), dtype).node, x.declared)
    if x.node.op.name == "size":
        return Expr(node(x.node.op, (), (x.node.params[0], dtype)))
    return Expr(node(lookup("cast"), (x.node,), (dtype,)), x.declared, source=x.source)


def common_dtype(args: Sequence[Expr]) -> str:
    """The element type that `args` have in common by NumPy's rules, weak ones giving way to strong ones."""
    strong = [a.dtype for a in args if not a.weak]
    weak = [a.dtype for a in args if a.weak]
    if not strong:
        return max(weak, key=RANK.__getitem__)
    best = max(strong, key=RANK.__getitem__)
    if best == "f32" and "i64" in strong:
        return "f64"
    for w in weak:
        if RANK[w] > RANK[best] and not (is_float(w) and is_float(best)):
            best = w if best != "f32" else best
    return best


def floating(args: Sequence[Expr]) -> str:
    """The floating-point type in which a function of `args` is computed: their common type, f64 for integers."""
    found = common_dtype(args)
    return found if is_float(found) else "f64"


def unify(args: Sequence[Any], *, want_float: bool = False) -> tuple[list[Expr], bool]:
    """`args` lifted to expressions of one common element type, and whether the result is weak."""
    exprs = [lift(a) for a in args]
    dtype = floating(exprs) if want_float else common_dtype(exprs)
    weak = all(e.weak for e in exprs)
    return [cast(e, dtype) for e in exprs], weak


def apply(op: str | Op, args: Sequence[Expr], params: Params = (), *, weak: bool = False) -> Expr:
    """The expression of an operation on expressions of the right element types."""
    row = lookup(op) if isinstance(op, str) else op
    result = node(row, tuple(a.node for a in args), params)
    return Expr(result, merge_declared(args), weak=weak, source=merge_source(args))


def broadcast_shapes(op: str, types: Sequence[ArrayType]) -> tuple[Dim, ...]:
    """The shape that `types` broadcast to; a size broadcasts only where it is written 1.  Raises ShapeError."""
    if all(t.shape == types[0].shape for t in types):
        return types[0].shape if types else ()
    rank = max(len(t.shape) for t in types)
    shape: list[Dim] = [1] * rank
    for t in types:
        for k, n in enumerate(t.shape, rank - len(t.shape)):
            if shape[k] == 1:
                shape[k] = n
            elif n not in (1, shape[k]):
                sides = " and ".join(str(u) for u in types) if len(types) < 4 else ", ".join(map(str, types))
                raise ShapeError(
                    f"{op}: shapes do not broadcast: {sides} (size {shape[k]} against {n} in axis {k - rank})"
                )
    return tuple(shape)


def symbols_of(roots: Sequence[Node]) -> list[Node]:
    """The symbols below `roots` in the order of their first appearance."""
    return [x for x in postorder(roots) if x.op.name == "symbol"]


def symbol_name(x: Node) -> str:
    """The name of a symbol node."""
    name = x.params[0]
    assert isinstance(name, str)
    return name


def properties(x: Node) -> tuple[str, ...]:
    """What was declared of a symbol node: words of `properties.PROPERTIES`."""
    return x.params[2] if len(x.params) > 2 else ()


def check_names(declared: Iterable[Node]) -> dict[str, Node]:
    """The declared symbols by name; ArgumentError if one name stands for symbols of different types or properties."""
    found: dict[str, Node] = {}
    for x in declared:
        name = symbol_name(x)
        if found.setdefault(name, x) is not x:
            shown = [" ".join((str(s.type), *properties(s))) for s in (found[name], x)]
            raise ArgumentError(f"two different symbols are called {name}: {shown[0]} and {shown[1]}")
    return found


__all__ = [
    "DEFAULTS", "FUNCTIONS", "METHODS", "NUMPY", "Expr", "FloorDiv", "Mapping", "Max0", "Source", "SymgradError",
    "apply", "broadcast_shapes", "called", "cast", "check_names", "common_dtype", "constant", "constant_value",
    "dim", "dim_of_node", "floating", "function", "holds_expressions", "lift", "merge_declared", "merge_source",
    "named", "properties", "size", "symbol_name", "symbols_of", "unify",
]  # fmt: skip
