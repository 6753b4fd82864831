"""Compiled programs as Python callables.

A kernel owns its machine code.  Calling it binds the named sizes from the shapes of the arrays, checks them,
allocates the results, and runs the code without the GIL; what depends on the sizes alone is worked out once for each
set of shapes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from .blas import GEMM, single_threaded, thread_setter
from .builtin import Ready
from .cache import kept
from .externs import EXTERNS
from .index import Program
from .llvm.entry import COMBINE, ENTRY, STREAM
from .llvm.jit import Code, Target, assembly, determinants, host, object_code, optimized_text
from .llvm.module import emit_module
from .loops import Routine, Schedule, Stream, print_schedule
from .memory import Layout, Lives, lay_out, lifetimes
from .parallel import StreamRunner
from .passes import PIPELINE
from .scalars import Extern
from .schedule import schedule
from .streaming import plan_streams
from .types import DTYPES, ArrayType, Dim, evaluate, names
from .verify import verify
from .work import Work, is_long, work

Array = np.ndarray[Any, Any]
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_ALIGNMENT = 64


class ShapeMismatch(ValueError):
    """An array does not have the shape that the program gives it."""


class TypeMismatch(TypeError):
    """An array does not have the element type or layout that the kernel reads."""


def compile_program(
    program: Program, *, threads: int = 1, target: Target | None = None, sizes: Mapping[str, int] | None = None
) -> Kernel:
    """A kernel that computes `program` on at most `threads` threads, with the same bits for any number of them.

    For another `target` than this machine it can be looked at but not called.  `sizes` are likely values of named
    sizes; they choose between plans and restrict nothing.
    """
    verify(program)
    for run in PIPELINE:
        program = run(program)
    return Kernel(program, threads, target or host(), sizes or {})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a call needs to know for one set of shapes: `scratch` bytes follow the temporaries in the workspace."""

    sizes: Array
    shapes: dict[str, tuple[int, ...]]
    layout: Layout
    scratch: int
    threads: int
    long: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """A kernel without what it was made from: it can be kept on disk."""

    inputs: tuple[tuple[str, ArrayType], ...]
    schedule: Schedule
    lives: Lives
    work: Work
    uses_blas: bool
    externs: Mapping[str, Extern]
    files: tuple[bytes, ...]


class Kernel:
    """Machine code for a program: ``kernel(*arrays, out=None, sizes={})`` gives its outputs.

    `program`, `loops`, `llvm`, `optimized` and `assembly` are there to be looked at.
    """

    def __init__(self, program: Program, threads: int, target: Target, hint: Mapping[str, int]) -> None:
        self.program, self.threads, self.target = program, threads, target
        self.schedule: Schedule = schedule(program, target.vector_bytes, hint)
        self._module = emit_module(self.schedule, target.attributes)
        self._uses_blas = any(row in GEMM.values() for row in self._module.externs.values())
        self._prepare(work(program))
        if target == host():
            text = self._module.text
            found = kept(determinants(text, target), lambda: object_code(text, target))
            self._start(Code(found, self._module.externs))

    def _prepare(self, total: Work, lives: Lives | None = None) -> None:
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._computed = [n for n in dict.fromkeys(self.schedule.outputs) if n not in self.schedule.inputs]
        held = {*self.schedule.inputs, *self._computed}
        self._temporary = [name for name in self.schedule.arrays if name not in held]
        self._runners: list[StreamRunner] = []
        self._streams = [action for action in self.schedule.actions if isinstance(action, Stream)]
        self._work, self._lives = total, lifetimes(self.schedule) if lives is None else lives

    def _start(self, code: Code) -> None:
        self._code = code
        self._entry = _ENTRY(code.address(ENTRY))
        for stream in self._streams:
            run, combine = (self._code.address(prefix + stream.name) for prefix in (STREAM, COMBINE))
            self._runners.append(StreamRunner(self.schedule, stream, run, combine, self.threads))

    @property
    def finished(self) -> Finished:
        """What is needed to run it."""
        slim = replace(self.schedule, nests=(), shadows={})
        inputs = self.program.inputs
        return Finished(inputs, slim, self._lives, self._work, self._uses_blas, self._code.externs, self._code.files)

    @classmethod
    def restored(cls, finished: Finished, threads: int) -> Kernel:
        """The kernel that was `finished` elsewhere, on at most `threads` threads.  It has no loops to be looked at."""
        kernel = cls.__new__(cls)
        kernel.program, kernel.schedule = Program(finished.inputs, (), ()), finished.schedule
        kernel.threads, kernel.target, kernel._uses_blas = threads, host(), finished.uses_blas
        kernel._prepare(finished.work, finished.lives)
        *others, last = finished.files
        kernel._start(Code(last, finished.externs, None, others))
        return kernel

    def ready(self, arrays: Sequence[Array], sizes: Mapping[str, int], constants: int) -> Ready | None:
        """What machine code must know to call this kernel itself with arguments like `arrays`, the last `constants` of
        which stay the same; None where the kernel calls back: routines, several threads."""
        plan = self._plans.get((*(array.shape for array in arrays), *sizes.items())) or self._bind(arrays, sizes)
        if self.schedule.routines or plan.threads > 1 or not hasattr(self, "_code"):
            return None
        place = {name: k for k, name in enumerate(self.schedule.arrays)}
        bytes_ = {name: prod(plan.shapes[name]) * DTYPES[x.dtype].itemsize for name, x in self.schedule.arrays.items()}
        given = len(arrays) - constants
        names, outputs = self.schedule.inputs[:given], self.schedule.outputs
        return Ready(
            address=self._code.address(ENTRY),
            owner=self._code,
            sizes=plan.sizes,
            table=len(place),
            inputs=tuple(place[name] for name in names),
            outputs=tuple(place[name] for name in outputs),
            given=tuple((place[name], a) for name, a in zip(self.schedule.inputs[given:], arrays[given:], strict=True)),
            temporaries=tuple((place[name], plan.layout.offsets[name]) for name in self._temporary),
            scratch=plan.layout.total,
            needed=plan.layout.total + plan.scratch + _ALIGNMENT if plan.layout.total + plan.scratch else 0,
            long=plan.long,
            threads=thread_setter() if self._uses_blas else 0,
            input_bytes=tuple(bytes_[name] for name in names),
            output_bytes=tuple(bytes_[name] for name in outputs),
            output_shapes=tuple(plan.shapes[name] for name in outputs),
        )

    @property
    def loops(self) -> str:
        """The scheduled loops."""
        return print_schedule(self.schedule)

    @property
    def llvm(self) -> str:
        """The LLVM IR as it was emitted."""
        return self._module.text

    @property
    def optimized(self) -> str:
        """The LLVM IR after LLVM's passes."""
        return optimized_text(self._module.text, self.target)

    @property
    def assembly(self) -> str:
        """The machine code as text."""
        return assembly(self._module.text, self.target)

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
        for array, (name, type_) in zip(arrays, self.program.inputs, strict=True):
            if array.dtype != DTYPES[type_.dtype] or not array.flags.c_contiguous:
                raise TypeMismatch(f"{name}: expected a C-contiguous array of {DTYPES[type_.dtype]}, got {array.dtype}")
        held = dict(zip(self.schedule.inputs, arrays, strict=True))
        held |= self._results(plan, arrays, out)
        workspace = np.empty(plan.layout.total + plan.scratch + _ALIGNMENT, np.uint8)
        base = workspace.ctypes.data + -workspace.ctypes.data % _ALIGNMENT
        places = [held[n].ctypes.data if n in held else base + plan.layout.offsets[n] for n in self.schedule.arrays]
        with single_threaded() if self._uses_blas else nullcontext():
            self._run(plan, np.array([*places, base + plan.layout.total], np.uint64))
        return tuple(held[n] if n in self._computed else held[n].copy() for n in self.schedule.outputs)

    def _run(self, plan: Plan, table: Array) -> None:
        failures: list[BaseException] = []

        def callback(number: int, _: int, __: int) -> int:
            try:
                if number < 0:
                    return self._runners[-1 - number].run(table, plan.sizes, plan.shapes, plan.scratch)
                self._routine(self.schedule.routines[number], plan, table)
            except BaseException as error:
                failures.append(error)
                return 2
            return 0

        needed = self.schedule.routines or self.threads > 1
        answer = _CALLBACK(callback) if needed else None
        pointer = ctypes.cast(answer, ctypes.c_void_p) if answer else None
        status = self._entry(table.ctypes.data, plan.sizes.ctypes.data, pointer)
        if failures:
            raise failures[0]
        if status:
            raise IndexError("an index computed by the program is out of range")

    def _routine(self, routine: Routine, plan: Plan, table: Array) -> None:
        """Calls an extern routine with the arrays of the running call."""
        position = {name: k for k, name in enumerate(self.schedule.arrays)}

        def view(name: str) -> Array:
            dtype = DTYPES[self.schedule.arrays[name].dtype]
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
            return {n: np.empty(plan.shapes[n], DTYPES[self.schedule.arrays[n].dtype]) for n in self._computed}
        results: dict[str, Array] = {}
        for name, array in zip(self.schedule.outputs, out, strict=True):
            type_ = self.schedule.arrays[name]
            fits = array.shape == plan.shapes[name] and array.dtype == DTYPES[type_.dtype]
            if not fits or not array.flags.c_contiguous or not array.flags.writeable:
                raise TypeMismatch(f"out: {name} is {type_}, got {array.dtype} of shape {array.shape}")
            others = [*arrays, *(other for known, other in results.items() if known != name)]
            if name not in self._computed or any(np.may_share_memory(array, other) for other in others):
                raise TypeMismatch(f"out: the array for {name} shares memory with an input or another output")
            results[name] = array
        return results

    def _bind(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> Plan:
        if len(arrays) != len(self.program.inputs):
            raise TypeMismatch(f"the kernel takes {len(self.program.inputs)} arrays, got {len(arrays)}")
        numbers = dict(sizes)
        for array, (_, type_) in zip(arrays, self.program.inputs, strict=True):
            for size, number in zip(type_.shape, array.shape, strict=False):
                if not isinstance(size, int) and str(size).isidentifier():
                    numbers.setdefault(str(size), number)
        for array, (name, type_) in zip(arrays, self.program.inputs, strict=True):
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
        missing = [name for name in self.schedule.named if name not in numbers]
        if missing:
            raise ShapeMismatch(f"the size {', '.join(missing)} is not known from the shapes; give sizes=")
        shapes = {name: _shape(type_, numbers) for name, type_ in self.schedule.arrays.items() if name in self._held()}
        known, scratch = plan_streams(self.schedule, numbers, self.threads)
        shapes |= {name: _shape(self.schedule.arrays[name], known) for name in self._temporary}
        shapes = {name: shapes[name] for name in self.schedule.arrays}
        layout = lay_out(self.schedule.arrays, self._lives, self._temporary, shapes)
        threads = max((known[f"{stream.name}.threads"] for stream in self._streams), default=1)
        sizes = np.array([known[name] for name in self.schedule.sizes], np.int64)
        return Plan(sizes, shapes, layout, scratch, threads, is_long(self._work, numbers))

    def _held(self) -> set[str]:
        return {*self.schedule.inputs, *self._computed}


def _shape(type_: ArrayType, numbers: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(_length(size, numbers) for size in type_.shape)


def _length(size: Dim, numbers: Mapping[str, int]) -> int:
    length = evaluate(size, numbers)
    if length < 0:
        raise ShapeMismatch(f"the size {size} is {length}")
    return length
