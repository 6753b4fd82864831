"""What a compiled function is called with: names, array-likes, shapes; and the errors for what does not fit.

A `Signature` says which arguments there are; binding turns Python values into C-contiguous arrays of the exact
element types and finds the number of every size name.  Arguments are never modified: what needs a conversion is
copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import interpreter
from .compiler.records import record
from .compiler.types import DTYPES, ArrayType, Dim, Size, evaluate, is_float, names, substitute
from .element_types import DTYPE_NAMES
from .errors import ArgumentError, OutOfMemory, ShapeError
from .expression import Expr, symbol_name
from .graph import Node
from .trees import Tree, is_tree, leaves, matching

Array = np.ndarray[Any, Any]


@record(frozen=True, slots=True)
class Parameter:
    """One argument: its name and the symbol that it stands for, or a nested structure of symbols."""

    name: str
    tree: Tree

    @property
    def symbols(self) -> list[Node]:
        """The symbols of the argument, in their order."""
        return [x for _, x in leaves(self.tree)]


@dataclass(frozen=True)
class Signature:
    """The arguments of a function in their order, and what must hold of their sizes."""

    parameters: tuple[Parameter, ...]
    requirements: tuple[tuple[Dim, str, type[Exception]], ...] = ()
    """Sizes that must not be negative, what is wrong otherwise, and the error to say it with."""
    needed: tuple[str, ...] = ()
    """Size names of the formula, which the arguments must tell."""
    counted: tuple[tuple[str, Node], ...] = ()
    """Sizes that only the values tell, and the truth values whose true ones they count."""
    symbols: tuple[Node, ...] = field(init=False)
    labels: tuple[str, ...] = field(init=False)
    """The text that names each symbol's value: ``w``, or ``params['W1']``."""

    def __post_init__(self) -> None:
        pairs = [(p.name + path, x) for p in self.parameters for path, x in leaves(p.tree)]
        object.__setattr__(self, "labels", tuple(label for label, _ in pairs))
        object.__setattr__(self, "symbols", tuple(x for _, x in pairs))

    def __str__(self) -> str:
        return f"({', '.join(p.name for p in self.parameters)})"

    @property
    def scalar(self) -> bool:
        """Whether every argument is a scalar."""
        return all(not x.type.shape for x in self.symbols)

    def values(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> list[Any]:
        """One value per symbol from a call's arguments.  Raises ArgumentError for missing, unknown or repeated ones."""
        given = self.bind(args, keywords)
        found: list[Any] = []
        for p in self.parameters:
            found += [v for _, v in matching(p.tree, given[p.name], p.name)] if is_tree(p.tree) else [given[p.name]]
        return found

    def bind(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name.  Raises ArgumentError for missing, unknown or repeated ones."""
        if len(args) > len(self.parameters):
            raise ArgumentError(f"expected {_count(len(self.parameters), 'argument')} {self}, got {len(args)}")
        given: dict[str, Any] = {p.name: a for p, a in zip(self.parameters, args, strict=False)}
        known = [p.name for p in self.parameters]
        for name, value in keywords.items():
            if name in given:
                raise ArgumentError(f"argument {name} is given twice: the arguments are {self}")
            if name not in known:
                raise ArgumentError(f"unknown argument {name}{suggestion(name, known)}: the arguments are {self}")
            given[name] = value
        missing = [name for name in known if name not in given]
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise ArgumentError(f"missing argument{plural} {', '.join(missing)}: the arguments are {self}")
        return given

    def arrays(self, values: Sequence[Any]) -> list[Array]:
        """`values` as C-contiguous arrays of the symbols' element types, shapes unchecked.  Raises ArgumentError."""
        return [
            as_array(v, x.type, label) for v, x, label in zip(values, self.symbols, self.labels, strict=True)
        ]

    def sizes(self, arrays: Sequence[Array]) -> dict[str, int]:
        """The number of every size name, from the shapes of `arrays`.

        Raises ArgumentError where a shape is not what the declaration and the other arguments say, and ShapeError
        where the formula's own conditions (slices within their axes, no maximum of nothing) do not hold."""
        binding = _Binding(self)
        for k, a in enumerate(arrays):
            binding.show(k, a)
        binding.solve(arrays)
        self._count(arrays, binding.numbers)
        self.require(binding.numbers)
        for k, a in enumerate(arrays):
            binding.check(k, a)
        for need, why, kind in self.requirements:
            if evaluate(need, binding.numbers) < 0:
                raise kind(f"{why}{binding.known(need)}")
        return binding.numbers

    def _count(self, arrays: Sequence[Array], numbers: dict[str, int]) -> None:
        """Adds the sizes that only the values tell to `numbers`."""
        values = dict(zip(self.symbols, arrays, strict=True))
        for name, mask in self.counted:
            (found,) = interpreter.run([mask], values, numbers)
            count = int(np.count_nonzero(found))
            if numbers.setdefault(name, count) != count:
                raise ShapeError(f"x[mask]: one size is {numbers[name]} and {count} (a mask was replaced); index again")

    def require(self, numbers: Mapping[str, int]) -> None:
        """Raises ArgumentError for size names of the formula that `numbers` lacks."""
        lost = [name for name in self.needed if name not in numbers]
        if lost:
            raise _untold(lost)


class _Binding:
    """The numbers of the size names as arrays show them, and which argument showed each."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.numbers: dict[str, int] = {}
        self.source: dict[str, int] = {}

    def show(self, k: int, a: Array) -> None:
        """Takes the sizes that are plain names from the shape of argument `k`."""
        shape = self.signature.symbols[k].type.shape
        if len(shape) != a.ndim:
            raise self.mismatch(k, a)
        for n, number in zip(shape, a.shape, strict=True):
            name = plain_name(n)
            if name is not None and name not in self.numbers:
                self.numbers[name], self.source[name] = number, k

    def solve(self, arrays: Sequence[Array]) -> None:
        """Finds names that occur only within larger sizes, such as n in 2*n."""
        pending = [
            (n, number, k)
            for k, (x, a) in enumerate(zip(self.signature.symbols, arrays, strict=True))
            for n, number in zip(x.type.shape, a.shape, strict=True)
            if isinstance(n, Size) and names(n) - self.numbers.keys()
        ]
        while pending:
            for n, number, k in pending:
                unknown = names(n) - self.numbers.keys()
                if len(unknown) == 1:
                    (name,) = unknown
                    root = solution(n, name, self.numbers, number)
                    if root is None:
                        raise self.mismatch(k, arrays[k])
                    self.numbers[name], self.source[name] = root, k
                    break
            else:
                raise _untold(sorted(set().union(*(names(n) for n, _, _ in pending)) - self.numbers.keys()))
            pending = [p for p in pending if names(p[0]) - self.numbers.keys()]

    def check(self, k: int, a: Array) -> None:
        shape = self.signature.symbols[k].type.shape
        for n, number in zip(shape, a.shape, strict=True):
            if (n if isinstance(n, int) else evaluate(n, self.numbers)) != number:
                raise self.mismatch(k, a)

    def mismatch(self, k: int, a: Array) -> ArgumentError:
        type_ = self.signature.symbols[k].type
        sizes = list(dict.fromkeys(name for n in type_.shape for name in _ordered_names(n)))
        known = [
            f"{name} = {self.numbers[name]}{self.origin(name, k)}"
            for name in sizes
            if name in self.numbers and (self.source[name] != k or len(type_.shape) == a.ndim)
        ]
        told = f" with {', '.join(known)}" if known else ""
        got = ArrayType(type_.dtype, a.shape)
        return ArgumentError(f"{self.signature.labels[k]}: expected {type_}{told}, got {got}")

    def origin(self, name: str, k: int) -> str:
        """Which argument showed a size, unless it is argument `k` itself."""
        return f" (from {self.signature.labels[self.source[name]]})" if self.source[name] != k else ""

    def known(self, n: Dim) -> str:
        """The numbers of the names in `n`, as the end of a message."""
        known = [f"{name} = {self.numbers[name]}" for name in _ordered_names(n)]
        return f" ({', '.join(known)})" if known else ""


def _untold(lost: Sequence[str]) -> ArgumentError:
    plural = "s" if len(lost) > 1 else ""
    return ArgumentError(
        f"the arguments do not tell the size{plural} {', '.join(lost)}: add an argument with an axis of that size"
    )


def plain_name(n: Dim) -> str | None:
    """The name that a size is, if it is one name."""
    if isinstance(n, int) or len(n.terms) != 1:
        return None
    monomial, c = n.terms[0]
    if c != 1 or len(monomial) != 1 or monomial[0][1] != 1:
        return None
    atom = monomial[0][0]
    return atom if isinstance(atom, str) else None


def _ordered_names(n: Dim) -> list[str]:
    return sorted(names(n))


def solution(n: Dim, name: str, known: Mapping[str, int], number: int) -> int | None:
    """The value of `name`, the only unknown of the size `n`, that makes it `number`; None if there is none, or no
    only one.

    Sizes that grow (or fall) with the unknown everywhere are solved by bisection; floor divisions have no only
    answer."""
    rest = substitute(n, {k: v for k, v in known.items() if k != name})
    if isinstance(rest, int):
        return None
    powers = [(m, c) for m, c in rest.terms if m]
    if any(len(m) != 1 or m[0][0] != name for m, _ in powers) or len({c > 0 for _, c in powers}) != 1:
        return None
    rising = powers[0][1] > 0

    def at(value: int) -> int:
        return evaluate(rest, {name: value})

    low, high = 0, 1
    while (at(high) < number) == rising and at(high) != number and high < 2**62:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if (at(middle) < number) if rising else (at(middle) > number):
            low = middle + 1
        else:
            high = middle
    return low if at(low) == number else None


# ---- values

def as_array(value: Any, type_: ArrayType, label: str) -> Array:
    """`value` as a C-contiguous array of the element type of `type_`.

    Numbers, nested lists, and arrays of every real type that NumPy converts within one kind (integers and either
    floating type to a floating type) are taken; raises ArgumentError for others."""
    dtype = DTYPES[type_.dtype]
    if is_ready(value, dtype):
        return value  # type: ignore[no-any-return]
    array = _numbers(value, type_, label)
    if array.size and not (np.can_cast(array.dtype, dtype, "same_kind") and _fits(array, type_.dtype)):
        raise ArgumentError(f"{label}: expected {type_}, got {describe(array)}{_advice(array.dtype, type_.dtype)}")
    try:
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, dtype).reshape(array.shape)
    except MemoryError as error:
        raise OutOfMemory(f"{label}: a copy in contiguous memory is needed: {error}") from None
    return array if array.flags.aligned else array.copy()


def is_ready(value: Any, dtype: np.dtype[Any]) -> bool:
    """Whether `value` is an array that machine code can read as it is."""
    return (
        type(value) is np.ndarray and value.dtype == dtype and value.flags.c_contiguous and value.flags.aligned
    )


def _numbers(value: Any, type_: ArrayType, label: str) -> Array:
    if isinstance(value, Expr):
        raise ArgumentError(f"{label}: expected {type_}, got a formula ({value.type}); use replace to put formulas in")
    if hasattr(value, "filled"):  # asking NumPy for its class would load numpy.ma, which takes as long as compiling
        raise ArgumentError(f"{label}: expected {type_}, got a masked array; fill it with .filled(...)")
    if hasattr(value, "tocsr"):
        raise ArgumentError(f"{label}: expected {type_}, got a sparse array; use .toarray()")
    if type(value) is int and is_float(type_.dtype):
        value = float(value) if abs(value) < 2**1023 else value
    try:
        array = np.asarray(value)
    except MemoryError as error:
        raise OutOfMemory(f"{label}: {error}") from None
    except Exception as error:  # an object's own conversion may raise anything
        raise ArgumentError(f"{label}: expected {type_}, got {type(value).__name__} ({error})") from error
    if array.dtype.kind not in "biuf":
        numeric = isinstance(value, np.ndarray | np.generic | complex | list | tuple)
        shown = describe(array) if numeric else type(value).__name__
        raise ArgumentError(f"{label}: expected {type_}, got {shown}{_advice(array.dtype, type_.dtype)}")
    return array


def _fits(array: Array, wanted: str) -> bool:
    """Whether unsigned integers lie within i64: the one conversion within a kind that would change them silently."""
    return wanted != "i64" or array.dtype != np.uint64 or int(array.max()) < 2**63


def _advice(dtype: np.dtype[Any], wanted: str) -> str:
    if dtype.kind == "c":
        return "; symgrad computes with real numbers"
    if wanted == "i64" and dtype.kind == "f":
        return "; convert it with .astype(int) if its values are whole"
    return "; convert it with .astype(bool)" if wanted == "bool" and dtype.kind in "iuf" else ""


def describe(array: Array) -> str:
    """The type of an array as symgrad writes types: ``f64[3, 2]``."""
    dtype = DTYPE_NAMES.get(array.dtype.newbyteorder("="), "text" if array.dtype.kind in "US" else str(array.dtype))
    return f"{dtype}[{', '.join(map(str, array.shape))}]" if array.ndim else dtype


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known name that is most like it."""
    names = list(known)
    import difflib

    close = [k for k in names if k.casefold() == name.casefold()] or difflib.get_close_matches(name, names, 1)
    return f", did you mean {close[0]}?" if close else ""


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def parameters_of(symbols: Sequence[Node]) -> tuple[Parameter, ...]:
    """One argument per symbol, with the symbol's name."""
    return tuple(Parameter(symbol_name(x), x) for x in symbols)


__all__ = ["Parameter", "ShapeError", "Signature", "as_array", "describe", "parameters_of", "suggestion"]
