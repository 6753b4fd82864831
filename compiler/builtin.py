"""Compiled functions of scalars as builtins of CPython.

The generated code takes the arguments as the interpreter passes them (METH_FASTCALL), unboxes floats and ints, runs
a kernel and boxes its results; everything else (keywords, other types, an index out of range) it hands to a Python
callable.  It calls documented functions of the interpreter only and never reads its structures.  It depends on the
signature alone: the kernel's address and the two types stand in a record that the builtin carries.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from .cache import kept
from .llvm.jit import Code, determinants, host, object_code

Slots = int | tuple["Slots", ...]
"""A place in the kernel's table, or a tuple of such."""

SYMBOL = "builtin"
_FASTCALL_WITH_KEYWORDS = 0x0080 | 0x0002
_FUNCTIONS = {
    "PyTuple_GetItem": "ptr (ptr, i64)",
    "PyBytes_AsString": "ptr (ptr)",
    "PyObject_Type": "ptr (ptr)",
    "Py_DecRef": "void (ptr)",
    "PyFloat_AsDouble": "double (ptr)",
    "PyLong_AsLongLong": "i64 (ptr)",
    "PyErr_Occurred": "ptr ()",
    "PyErr_Clear": "void ()",
    "PyFloat_FromDouble": "ptr (double)",
    "PyTuple_New": "ptr (i64)",
    "PyTuple_SetItem": "i32 (ptr, i64, ptr)",
    "PyObject_Vectorcall": "ptr (ptr, ptr, i64, ptr)",
}


def builtin(
    kernel: int, owner: object, length: int, takes: Sequence[int], gives: Slots, otherwise: Callable[..., Any]
) -> Callable[..., Any] | None:
    """A builtin that runs the code at `kernel`, which `owner` keeps alive; None where the interpreter is not CPython.

    The kernel's table has `length` places, each a double: `takes` are those of the arguments, `gives` those of the
    results.  What is not a call with floats or ints goes to `otherwise` with all that was given."""
    if sys.implementation.name != "cpython" or sys.maxsize < 2**32:
        return None
    code = _code(length, tuple(takes), gives)
    name = b"function\0"
    definition = struct.pack("PPiP", _address(name), code.address(SYMBOL), _FASTCALL_WITH_KEYWORDS, 0)
    record = struct.pack("PPP", kernel, id(float), id(int))
    # The collector never empties a tuple or bytes, so the definition outlives the builtin even in a cycle.
    held = (otherwise, record, definition, name, code, owner)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    made: Callable[..., Any] = make(("PyCFunction_NewEx", ctypes.pythonapi))(_address(definition), held, None)
    return made


def _address(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


@lru_cache(maxsize=256)
def _code(length: int, takes: tuple[int, ...], gives: Slots) -> Code:
    """The code for a signature, which all functions of that signature share."""
    text, target = emit(length, takes, gives), host()
    found = kept(determinants(text, target), lambda: object_code(text, target))
    known = {name: ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value or 0 for name in _FUNCTIONS}
    return Code(found, {}, known)


def emit(length: int, takes: Sequence[int], gives: Slots) -> str:
    """The LLVM IR of a builtin."""
    lines = [_START.format(length=length + 1, count=len(takes))]
    lines += [f"  %p{k} = getelementptr double, ptr %values, i64 {k}" for k in range(length)]
    lines += [f"  %q{k} = getelementptr ptr, ptr %table, i64 {k}\n  store ptr %p{k}, ptr %q{k}" for k in range(length)]
    lines.append("  br label %take0")
    lines += [_TAKE.format(k=k, after=k + 1, place=place) for k, place in enumerate(takes)]
    lines.append(_RUN.format(count=len(takes), length=length))
    lines += _boxed(gives)
    lines.append(_END)
    declared = []
    for name, type_ in _FUNCTIONS.items():
        result, _, arguments = type_.partition(" ")
        declared.append(f"declare {result} @{name}{arguments}")
    return "\n".join([*lines, *declared, ""])


def _boxed(gives: Slots) -> list[str]:
    """Instructions that return the results as floats and tuples.

    A tuple stands in its parent as soon as it is made: what fails later has the outermost one to let go."""
    if isinstance(gives, int):
        loaded = f"  %y = load double, ptr %p{gives}"
        return [loaded, "  %r0 = call ptr @PyFloat_FromDouble(double %y)", "  ret ptr %r0"]
    lines: list[str] = []
    made = 0
    pending: list[tuple[Slots, int, int]] = [(gives, -1, 0)]
    while pending:
        slots, parent, place = pending.pop()
        if isinstance(slots, int):
            lines.append(f"  %y{made} = load double, ptr %p{slots}")
            lines.append(f"  %r{made} = call ptr @PyFloat_FromDouble(double %y{made})")
        else:
            lines.append(f"  %r{made} = call ptr @PyTuple_New(i64 {len(slots)})")
            pending += [(branch, made, k) for k, branch in enumerate(slots)]
        lines.append(f"  %none{made} = icmp eq ptr %r{made}, null")
        lines.append(f"  br i1 %none{made}, label %{'nothing' if parent < 0 else 'drop'}, label %have{made}")
        lines.append(f"have{made}:")
        if parent >= 0:
            lines.append(f"  %s{made} = call i32 @PyTuple_SetItem(ptr %r{parent}, i64 {place}, ptr %r{made})")
        made += 1
    return [*lines, "  ret ptr %r0", "drop:", "  call void @Py_DecRef(ptr %r0)", "  br label %nothing",
            "nothing:", "  ret ptr null"]  # fmt: skip


_START = """define ptr @builtin(ptr %self, ptr %arguments, i64 %count, ptr %names) {{
entry:
  %values = alloca double, i64 {length}, align 16
  %table = alloca ptr, i64 {length}, align 16
  %plain = icmp eq ptr %names, null
  %enough = icmp eq i64 %count, {count}
  %usual = and i1 %plain, %enough
  br i1 %usual, label %begin, label %otherwise
otherwise:
  %callable = call ptr @PyTuple_GetItem(ptr %self, i64 0)
  %answer = call ptr @PyObject_Vectorcall(ptr %callable, ptr %arguments, i64 %count, ptr %names)
  ret ptr %answer
begin:
  %bytes = call ptr @PyTuple_GetItem(ptr %self, i64 1)
  %record = call ptr @PyBytes_AsString(ptr %bytes)
  %kernel = load ptr, ptr %record
  %at1 = getelementptr ptr, ptr %record, i64 1
  %float = load ptr, ptr %at1
  %at2 = getelementptr ptr, ptr %record, i64 2
  %int = load ptr, ptr %at2"""

_TAKE = """take{k}:
  %a{k} = getelementptr ptr, ptr %arguments, i64 {k}
  %o{k} = load ptr, ptr %a{k}
  %type{k} = call ptr @PyObject_Type(ptr %o{k})
  call void @Py_DecRef(ptr %type{k})
  %isfloat{k} = icmp eq ptr %type{k}, %float
  br i1 %isfloat{k}, label %float{k}, label %other{k}
float{k}:
  %f{k} = call double @PyFloat_AsDouble(ptr %o{k})
  br label %taken{k}
other{k}:
  %isint{k} = icmp eq ptr %type{k}, %int
  br i1 %isint{k}, label %int{k}, label %otherwise
int{k}:
  %i{k} = call i64 @PyLong_AsLongLong(ptr %o{k})
  %minus{k} = icmp eq i64 %i{k}, -1
  br i1 %minus{k}, label %check{k}, label %convert{k}
check{k}:
  %error{k} = call ptr @PyErr_Occurred()
  %right{k} = icmp eq ptr %error{k}, null
  br i1 %right{k}, label %convert{k}, label %clear{k}
clear{k}:
  call void @PyErr_Clear()
  br label %otherwise
convert{k}:
  %c{k} = sitofp i64 %i{k} to double
  br label %taken{k}
taken{k}:
  %x{k} = phi double [ %f{k}, %float{k} ], [ %c{k}, %convert{k} ]
  store double %x{k}, ptr %p{place}
  br label %take{after}"""

_RUN = """take{count}:
  %last = getelementptr ptr, ptr %table, i64 {length}
  store ptr null, ptr %last
  %status = call i64 %kernel(ptr %table, ptr null, ptr null)
  %good = icmp eq i64 %status, 0
  br i1 %good, label %box, label %otherwise
box:"""

_END = "}"
