"""Machine code as a Python callable.

Calling it binds the named sizes from the shapes of the arrays, checks them, allocates the results, and runs the code
without the GIL; what depends on the sizes alone is worked out once for each set of shapes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .externs import EXTERNS
from .layout import Layout, lay_out
from .llvm.jit import Code
from .outline import COMBINE, ENTRY, STREAM, Callback, Outline
from .parallel import StreamRunner
from .tiles import plan_passes
from .types import DTYPES, ArrayType, Dim, evaluate, names
from .work import LONG, instructions

if TYPE_CHECKING:
    from .builtin import Ready

Array = np.ndarray[Any, Any]
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_ALIGNMENT = 64


class ShapeMismatch(ValueError):
    """An array does not have the shape that the program gives it."""


class TypeMismatch(TypeError):
    """An array does not have the element type or layout that the kernel reads."""


class Plan(NamedTuple):
    """What a call needs to know for one set of shapes: `scratch` bytes follow the temporaries in the workspace."""

    sizes: Array
    shapes: dict[str, tuple[int, ...]]
    layout: Layout
    scratch: int
    threads: int
    long: bool


class Finished(NamedTuple):
    """A kernel without what it was made from: it can be kept on disk."""

    outline: Outline
    externs: Mapping[str, Any]
    files: tuple[bytes, ...]
    quick: bool


class Runner:
    """Machine code for the arrays of an `Outline`: ``runner(*arrays, out=None, sizes={})`` gives its outputs.

    It owns the code, and has none where that is for another machine.  Code that was made in a hurry is `quick`: not
    as fast as it could be."""

    def __init__(self, outline: Outline, threads: int, quick: bool = False) -> None:
        self.outline, self.threads, self.quick = outline, threads, quick
        self._plans: dict[tuple[object, ...], Plan] = {}
        given = frozenset(outline.inputs)
        self._computed = dict.fromkeys(n for n in outline.outputs if n not in given)
        self._held = {*outline.inputs, *self._computed}
        self._temporary = [name for name in outline.arrays if name not in self._held]
        self._code: Code | None = None
        self._runners: list[StreamRunner] = []

    def _start(self, code: Code) -> None:
        self._code = code
        self._entry = _ENTRY(code.address(ENTRY))
        self._runners = []
        for stream in self.outline.passes:
            run, combine = (code.address(prefix + stream.name) for prefix in (STREAM, COMBINE))
            self._runners.append(StreamRunner(self.outline, stream, run, combine, self.threads))

    @property
    def finished(self) -> Finished:
        """What is needed to run it in another process on such a machine."""
        assert self._code is not None
        return Finished(self.outline, self._code.externs, self._code.files, self.quick)

    @classmethod
    def restored(cls, finished: Finished, threads: int) -> Runner:
        """The kernel that was `finished` elsewhere, on at most `threads` threads."""
        runner = Runner(finished.outline, threads, finished.quick)
        *others, last = finished.files
        runner._start(Code(last, finished.externs, None, others))
        return runner

    def ready(self, arrays: Sequence[Array], sizes: Mapping[str, int], constants: int) -> Ready | None:
        """What machine code must know to call this kernel itself with arguments like `arrays`, the last `constants` of
        which stay the same; None where the kernel calls back: routines without machine code, several threads."""
        plan = self._plans.get((*(array.shape for array in arrays), *sizes.items())) or self._bind(arrays, sizes)
        calls_back = any(not routine.native for routine in self.outline.routines)
        if calls_back or plan.threads > 1 or self._code is None:
            return None
        place = {name: k for k, name in enumerate(self.outline.arrays)}
        bytes_ = {name: prod(plan.shapes[name]) * DTYPES[x.dtype].itemsize for name, x in self.outline.arrays.items()}
        given = len(arrays) - constants
        names, outputs = self.outline.inputs[:given], self.outline.outputs
        from .builtin import Ready

        return Ready(
            address=self._code.address(ENTRY),
            owner=self._code,
            sizes=plan.sizes,
            table=len(place),
            inputs=tuple(place[name] for name in names),
            outputs=tuple(place[name] for name in outputs),
            given=tuple((place[name], a) for name, a in zip(self.outline.inputs[given:], arrays[given:], strict=True)),
            temporaries=tuple((place[name], plan.layout.offsets[name]) for name in self._temporary),
            scratch=plan.layout.total,
            needed=plan.layout.total + plan.scratch + _ALIGNMENT if plan.layout.total + plan.scratch else 0,
            long=plan.long,
            threads=_thread_setter() if self.outline.uses_blas else 0,
            input_bytes=tuple(bytes_[name] for name in names),
            output_bytes=tuple(bytes_[name] for name in outputs),
            output_shapes=tuple(plan.shapes[name] for name in outputs),
        )

    def workspace(self, **sizes: int) -> int:
        """The bytes of temporary memory that a call with these sizes needs (per thread)."""
        plan = self._plan(sizes)
        return plan.layout.total + plan.scratch

    def __call__(
        self, *arrays: Array, out: Sequence[Array] | None = None, sizes: Mapping[str, int] | None = None
    ) -> tuple[Array, ...]:
        """The outputs for C-contiguous `arrays` of the inputs' exact types; `out` gives arrays to write them to.

        `sizes` are the sizes that no input's shape shows.  Raises TypeMismatch, ShapeMismatch, and IndexError if an
        index that the program computes is out of range.
        """
        key = (*(array.shape for array in arrays), *(sizes or {}).items())
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._bind(arrays, sizes or {})
        for array, (name, type_) in zip(arrays, self.outline.types, strict=True):
            if array.dtype != DTYPES[type_.dtype] or not array.flags.c_contiguous:
                raise TypeMismatch(f"{name}: expected a C-contiguous array of {DTYPES[type_.dtype]}, got {array.dtype}")
        held = dict(zip(self.outline.inputs, arrays, strict=True))
        held |= self._results(plan, arrays, out)
        workspace = np.empty(plan.layout.total + plan.scratch + _ALIGNMENT, np.uint8)
        base = workspace.ctypes.data + -workspace.ctypes.data % _ALIGNMENT
        places = [held[n].ctypes.data if n in held else base + plan.layout.offsets[n] for n in self.outline.arrays]
        with _single_threaded() if self.outline.uses_blas else nullcontext():
            self._run(plan, np.array([*places, base + plan.layout.total], np.uint64))
        return tuple(held[n] if n in self._computed else held[n].copy() for n in self.outline.outputs)

    def _run(self, plan: Plan, table: Array) -> None:
        failures: list[BaseException] = []

        def callback(number: int, _: int, __: int) -> int:
            try:
                if number < 0:
                    return self._runners[-1 - number].run(table, plan.sizes, plan.shapes, plan.scratch)
                self._routine(self.outline.routines[number], plan, table)
            except BaseException as error:
                failures.append(error)
                return 2
            return 0

        needed = self.outline.routines or self.threads > 1
        answer = _CALLBACK(callback) if needed else None
        pointer = ctypes.cast(answer, ctypes.c_void_p) if answer else None
        status = self._entry(table.ctypes.data, plan.sizes.ctypes.data, pointer)
        if failures:
            raise failures[0]
        if status:
            raise IndexError("an index computed by the program is out of range")

    def _routine(self, routine: Callback, plan: Plan, table: Array) -> None:
        """Calls an extern routine with the arrays of the running call."""
        position = {name: k for k, name in enumerate(self.outline.arrays)}

        def view(name: str) -> Array:
            dtype = DTYPES[self.outline.arrays[name].dtype]
            memory = (ctypes.c_char * (int(np.prod(plan.shapes[name])) * dtype.itemsize)).from_address(
                int(table[position[name]])
            )
            array: Array = np.ndarray(plan.shapes[name], dtype, memoryview(memory))
            return array

        inputs = tuple(view(name) for name in routine.inputs)
        for array in inputs:
            array.flags.writeable = False
        for name, result in zip(routine.targets, EXTERNS[routine.function](routine.params, inputs), strict=True):
            view(name)[...] = result

    def _results(self, plan: Plan, arrays: Sequence[Array], out: Sequence[Array] | None) -> dict[str, Array]:
        if out is None:
            return {n: np.empty(plan.shapes[n], DTYPES[self.outline.arrays[n].dtype]) for n in self._computed}
        results: dict[str, Array] = {}
        apart = not overlap(out, arrays)
        for name, array in zip(self.outline.outputs, out, strict=True):
            type_ = self.outline.arrays[name]
            fits = array.shape == plan.shapes[name] and array.dtype == DTYPES[type_.dtype]
            if not fits or not array.flags.c_contiguous or not array.flags.writeable:
                raise TypeMismatch(f"out: {name} is {type_}, got {array.dtype} of shape {array.shape}")
            others = [] if apart else [*arrays, *(other for known, other in results.items() if known != name)]
            if name not in self._computed or any(np.may_share_memory(array, other) for other in others):
                raise TypeMismatch(f"out: the array for {name} shares memory with an input or another output")
            results[name] = array
        return results

    def _bind(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> Plan:
        if len(arrays) != len(self.outline.types):
            raise TypeMismatch(f"the kernel takes {len(self.outline.types)} arrays, got {len(arrays)}")
        numbers = dict(sizes)
        for array, (_, type_) in zip(arrays, self.outline.types, strict=True):
            for size, number in zip(type_.shape, array.shape, strict=False):
                if not isinstance(size, int) and str(size).isidentifier():
                    numbers.setdefault(str(size), number)
        for array, (name, type_) in zip(arrays, self.outline.types, strict=True):
            self._check(name, type_, array.shape, numbers)
        return self._plan(numbers)

    def _check(self, name: str, type_: ArrayType, shape: tuple[int, ...], numbers: Mapping[str, int]) -> None:
        missing = {n for size in type_.shape for n in names(size)} - set(numbers)
        if missing:
            raise ShapeMismatch(f"{name}: {type_} needs {', '.join(sorted(missing))}: give sizes=")
        expected = tuple(evaluate(size, numbers) for size in type_.shape)
        if shape != expected:
            raise ShapeMismatch(f"{name}: expected {type_} with shape {expected}, got {shape}")

    def _plan(self, numbers: Mapping[str, int]) -> Plan:
        missing = [name for name in self.outline.named if name not in numbers]
        if missing:
            raise ShapeMismatch(f"the size {', '.join(missing)} is not known from the shapes; give sizes=")
        shapes = {name: _shape(type_, numbers) for name, type_ in self.outline.arrays.items() if name in self._held}
        known, scratch = plan_passes(self.outline, numbers, self.threads)
        shapes |= {name: _shape(self.outline.arrays[name], known) for name in self._temporary}
        shapes = {name: shapes[name] for name in self.outline.arrays}
        layout = lay_out(self.outline.arrays, self.outline.lives, self._temporary, shapes)
        threads = max((known[f"{stream.name}.threads"] for stream in self.outline.passes), default=1)
        sizes = np.array([known[name] for name in self.outline.sizes], np.int64)
        return Plan(sizes, shapes, layout, scratch, threads, instructions(self.outline.work, numbers) > LONG)


def overlap(written: Sequence[Array], read: Sequence[Array]) -> bool:
    """Whether the memory of some array that is `written` may be that of another one, in time linear in their number but
    for sorting."""
    spans = [(*byte_bounds(a), k < len(written)) for k, a in enumerate((*written, *read)) if a.size]
    last, last_written = 0, 0
    for start, end, is_written in sorted(spans):
        if start < (last if is_written else last_written):
            return True
        last = max(last, end)
        last_written = max(last_written, end) if is_written else last_written
    return False


def _single_threaded() -> AbstractContextManager[None]:
    from .blas import single_threaded

    return single_threaded()


def _thread_setter() -> int:
    from .blas import thread_setter

    return thread_setter()


def _shape(type_: ArrayType, numbers: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(_length(size, numbers) for size in type_.shape)


def _length(size: Dim, numbers: Mapping[str, int]) -> int:
    length = evaluate(size, numbers)
    if length < 0:
        raise ShapeMismatch(f"the size {size} is {length}")
    return length
