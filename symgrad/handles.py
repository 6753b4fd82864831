"""Compiled functions as C functions, for SciPy's routines, ctypes, Numba and other callers from machine code."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .compiler.types import DTYPES, ArrayType, evaluate, names
from .errors import ArgumentError
from .machine import Machine

if TYPE_CHECKING:
    import scipy

    from .compiler.builtin import Ready
    from .compiler.llvm.handles import Handle as Writer
    from .compiler.llvm.jit import Code

_C: dict[str, tuple[str, Any]] = {
    "f64": ("double", ctypes.c_double),
    "f32": ("float", ctypes.c_float),
    "i64": ("int64_t", ctypes.c_int64),
    "bool": ("uint8_t", ctypes.c_uint8),
}
_POINTER = ctypes.POINTER
SIGNATURES: dict[str, tuple[str, Any]] = {
    "double (double)": ("address", ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)),
    "double (int, double *)": (
        "points", ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, _POINTER(ctypes.c_double))
    ),
    "int (double *, intptr_t, double *, void *)": (
        "filter",
        ctypes.CFUNCTYPE(
            ctypes.c_int, _POINTER(ctypes.c_double), ctypes.c_ssize_t, _POINTER(ctypes.c_double), ctypes.c_void_p
        ),
    ),
}  # fmt: skip
"""The signatures that SciPy's routines call, as SciPy spells them, and our function with each."""


@dataclass(frozen=True)
class Handle:
    """The C functions of one compiled function; they live as long as this.  `signatures` are those of SciPy's that it
    has, the usual one first."""

    prototype: str
    kind: Any
    signatures: tuple[str, ...]
    code: Code
    ready: Ready

    @property
    def address(self) -> int:
        """The address of the function that `prototype` describes."""
        return self.code.address("symgrad.address")

    def function(self, name: str = "address", kind: Any = None) -> Any:
        """A function for ctypes, which keeps its code alive."""
        found = (kind or self.kind)(self.code.address(f"symgrad.{name}"))
        found.handle = self
        return found

    def low_level(self, signature: str | None) -> scipy.LowLevelCallable:
        """The function as SciPy takes it.  Raises ArgumentError for a signature that it does not have."""
        from scipy import LowLevelCallable

        if not self.signatures or signature not in (None, *self.signatures):
            have = " or ".join(map(repr, self.signatures)) or "none of SciPy's"
            raise ArgumentError(
                f"lowlevel: {signature or 'SciPy calls functions of doubles, or of one vector, that give one double'}: "
                f"the function is {self.prototype}; it has {have}"
            )
        name, kind = SIGNATURES[signature or self.signatures[0]]
        return LowLevelCallable(self.function(name, kind))


def handle(machine: Machine, labels: Sequence[str], results: Sequence[ArrayType]) -> Handle:
    """The C functions of `machine`.  Raises ArgumentError where there are none."""
    from .compiler.llvm.handles import Handle as Writer

    inputs, outputs = _fixed([x.type for x in machine.symbols]), _fixed(results)
    ready = machine.bound({}).ready([np.empty(x.shape, DTYPES[x.dtype]) for x in inputs])
    if ready is None:
        raise ArgumentError(
            "address: the formula calls Python back (sorting, linear algebra, operations in NumPy), or works on "
            "several threads (compile it with threads=1)"
        )
    writer = Writer(inputs, outputs, [*ready.inputs, *ready.outputs], ready.table)
    text = writer.text([place for place, _ in ready.given], ready.temporaries, ready.scratch, ready.needed)
    result = _C[outputs[0].dtype][1] if writer.returns else ctypes.c_int64
    kinds = [_POINTER(_C[x.dtype][1]) if x.shape else _C[x.dtype][1] for x in inputs]
    kinds += [] if writer.returns else [_POINTER(_C[x.dtype][1]) for x in outputs]
    prototype = _prototype(labels, inputs, outputs, writer.returns)
    return Handle(prototype, ctypes.CFUNCTYPE(result, *kinds), _signatures(writer), _code(text, ready), ready)


def _fixed(types: Sequence[ArrayType]) -> list[ArrayType]:
    """`types` with numbers as sizes.  Raises ArgumentError for named ones."""
    named = sorted({n for x in types for size in x.shape for n in names(size)})
    if named:
        raise ArgumentError(
            f"address: a C function has arrays of fixed sizes, and {', '.join(named)} may be anything: declare numbers"
        )
    return [ArrayType(x.dtype, tuple(evaluate(n, {}) for n in x.shape)) for x in types]


def _code(text: str, ready: Ready) -> Code:
    from .compiler.cache import kept
    from .compiler.llvm.handles import GIVEN, KERNEL, SIZES
    from .compiler.llvm.jit import Code, determinants, host, object_code

    made = kept(determinants(text, host()), lambda: object_code(text, host()))
    known = {KERNEL: ready.address, SIZES: ready.sizes.ctypes.data}
    known |= {f"{GIVEN}{k}": array.ctypes.data for k, (_, array) in enumerate(ready.given)}
    known |= {name: ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value or 0 for name in _MEMORY}
    return Code(made, {}, known)


_MEMORY = ("PyMem_RawMalloc", "PyMem_RawFree")


def _signatures(writer: Writer) -> tuple[str, ...]:
    one, points, filtered = SIGNATURES
    return (
        *((one,) if writer.of_points and len(writer.inputs) == 1 else ()),
        *((filtered,) if writer.of_vector else ()),
        *((points,) if writer.of_points or writer.of_vector else ()),
    )


def _prototype(
    labels: Sequence[str], inputs: Sequence[ArrayType], outputs: Sequence[ArrayType], returns: bool
) -> str:
    words = [
        f"const {_C[x.dtype][0]} *{name}" if x.shape else f"{_C[x.dtype][0]} {name}"
        for name, x in zip(map(_identifier, labels), inputs, strict=True)
    ]
    if returns:
        return f"{_C[outputs[0].dtype][0]} ({', '.join(words)})"
    written = [f"{_C[x.dtype][0]} *out{k if len(outputs) > 1 else ''}" for k, x in enumerate(outputs)]
    return f"int64_t ({', '.join([*words, *written])})"


def _identifier(label: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in label).strip("_")


__all__ = ["SIGNATURES", "Handle", "handle"]
