"""Classes whose instances CPython can call as it calls its own builtins.

Instances of a class under `natively_callable` have room for two pointers: the function that the interpreter calls
(its vectorcall protocol) and a record for that function.  As long as the first is null, calling works as for every
Python class, through ``__call__``; `builtin.Entry` sets both.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")
WORD = ctypes.sizeof(ctypes.c_void_p)
_HAVE_VECTORCALL, _DEFAULT = 1 << 11, 1 << 18
_MEMBERS, _READ_ONLY, _SIGNED_SIZE = 72, 1, 19


class Offsets(NamedTuple):
    """Bytes from the beginning of an object: where its type stands, where its contents begin, and where a callable
    has its record; `swapped` is the sign of the other byte order."""

    type: int
    contents: int
    record: int
    swapped: int

    @property
    def data(self) -> int:
        return self.contents

    @property
    def rank(self) -> int:
        return self.contents + 8

    @property
    def shape(self) -> int:
        return self.contents + 16

    @property
    def dtype(self) -> int:
        return self.contents + 40

    @property
    def flags(self) -> int:
        return self.contents + 48

    @property
    def byteorder(self) -> int:
        return self.contents + 10

    @property
    def number(self) -> int:
        return self.contents + 12


def natively_callable(cls: type[T]) -> type[T]:
    """Class decorator: instances can be given an `Entry`.  Where the interpreter has no such thing, `cls` itself."""
    if not supported():
        return cls
    at = cls.__basicsize__
    members = (_Member * 2)(_Member(b"__vectorcalloffset__", _SIGNED_SIZE, at, _READ_ONLY, None))
    slots = (_Slot * 2)(_Slot(_MEMBERS, ctypes.addressof(members)))
    name = f"{cls.__module__}.{cls.__qualname__}".encode()
    specification = _Specification(name, at + 2 * WORD, 0, _HAVE_VECTORCALL | _DEFAULT, ctypes.addressof(slots))
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object)
    made: Any = make(("PyType_FromSpecWithBases", ctypes.pythonapi))(ctypes.addressof(specification), (cls,))
    made.__doc__ = cls.__doc__
    for name_, value in vars(cls).items():  # so that those who list a class's own members find them
        if not name_.startswith("__"):
            setattr(made, name_, value)
    made._native_memory = (members, name)
    return made  # type: ignore[no-any-return]


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("function", ctypes.c_void_p))


class _Specification(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    )


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@lru_cache(maxsize=1)
def supported() -> bool:
    """Whether this is CPython with its usual objects: 64 bits, one lock for all threads, no debugging fields."""
    if sys.implementation.name != "cpython" or WORD != 8 or hasattr(sys, "gettotalrefcount"):
        return False
    return "free-threading" not in sys.version and _as_expected()


def _as_expected() -> bool:
    """Whether objects have their contents where machine code reads them."""
    o = offsets(0)
    array = np.zeros((2, 3))
    read = {
        "type": peek(id(1.5) + o.type, ctypes.c_void_p) == id(float),
        "float": peek(id(array) + o.type, ctypes.c_void_p) == id(np.ndarray),
        "data": peek(id(array) + o.data, ctypes.c_void_p) == array.ctypes.data,
        "rank": peek(id(array) + o.rank, ctypes.c_int) == 2,
        "shape": peek(peek(id(array) + o.shape, ctypes.c_void_p) + 8, ctypes.c_int64) == 3,
        "dtype": peek(id(array) + o.dtype, ctypes.c_void_p) == id(array.dtype),
        "flags": peek(id(array) + o.flags, ctypes.c_int) == array.flags.num,
        "number": peek(id(array.dtype) + o.number, ctypes.c_int) == array.dtype.num,
        "order": peek(id(array.dtype) + o.byteorder, ctypes.c_char) == array.dtype.byteorder.encode(),
    }
    numbers: list[tuple[Any, Any]] = [
        (1.5, ctypes.c_double), (np.float64(2.5), ctypes.c_double), (np.float32(3.5), ctypes.c_float),
        (np.int64(-4), ctypes.c_int64),
    ]  # fmt: skip
    return all(read.values()) and all(peek(id(x) + o.contents, type_) == x for x, type_ in numbers)


def peek(address: int, type_: Any) -> Any:
    """The value of a ctypes `type_` at an address."""
    return type_.from_address(address).value


def offsets(record: int) -> Offsets:
    """Where things stand here, for callables with their record at `record`."""
    contents = object.__basicsize__
    return Offsets(contents - WORD, contents, record, ord(">" if sys.byteorder == "little" else "<"))


__all__ = ["WORD", "Offsets", "natively_callable", "offsets", "peek", "supported"]
