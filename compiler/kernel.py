"""Programs compiled: their schedule, the module of it, and its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import lru_cache

from .blas import is_library
from .cache import kept
from .externs import NATIVE
from .index import Program
from .llvm.jit import PASSES, QUICK, Code, Target, assembly, determinants, host, object_code, optimized_text
from .llvm.module import emit_module
from .loops import Routine, Schedule, Stream, print_schedule
from .memory import lifetimes
from .outline import Callback, Outline, Pass, Work
from .passes import PIPELINE
from .running import Runner, ShapeMismatch, TypeMismatch
from .schedule import schedule
from .verify import verify
from .work import instructions, work

WORTH_WAITING = 50_000
"""Instructions on elements for each line of IR: as many as quick code takes longer for in the time, some 30 µs, that
LLVM's full effort for the line takes."""


def compile_program(
    program: Program, *, threads: int = 1, target: Target | None = None, sizes: Mapping[str, int] | None = None,
    first: Mapping[str, int] | None = None,
) -> Kernel:  # fmt: skip
    """A kernel that computes `program` on at most `threads` threads, with the same bits for any number of them.

    For another `target` than this machine it can be looked at but not called.  `sizes` are likely values of named
    sizes; they choose between plans and restrict nothing.  `first` are those of a call that waits: if it is over sooner
    with code that is made quickly, such is made; `Kernel.improved` makes better one.
    """
    verify(program)
    for run in PIPELINE:
        program = run(program)
    return Kernel(program, threads, target or host(), sizes or {}, first)


class Kernel(Runner):
    """Machine code for a program: ``kernel(*arrays, out=None, sizes={})`` gives its outputs.

    `program`, `loops`, `llvm`, `optimized` and `assembly` are there to be looked at.
    """

    def __init__(
        self, program: Program, threads: int, target: Target, hint: Mapping[str, int], first: Mapping[str, int] | None
    ) -> None:
        self.program, self.threads, self.target = program, threads, target
        self.schedule: Schedule = schedule(program, target.vector_bytes, hint)
        self._module = emit_module(self.schedule, target.attributes)
        self._uses_blas = any(map(is_library, self._module.externs.values()))
        total = work(program)
        lines = self._module.text.count("\n")
        self._prepare(total, first is not None and instructions(total, first) < WORTH_WAITING * lines)
        if target == host():
            self._make()

    def _make(self) -> None:
        others = [_shared_code(text, self.target, self.quick) for text in self._module.others]
        made = _code(self._module.text, self.target, self.quick)
        self._start(Code(made, self._module.externs, None, others))

    def improved(self) -> Kernel:
        """The same with code that is as fast as it can be."""
        better = copy(self)
        better.quick = False
        better._make()
        return better

    def _prepare(self, total: Work, quick: bool = False) -> None:
        s = self.schedule
        passes = tuple(
            Pass(a.name, a.length, a.partial, a.tiles, a.rows, a.least) for a in s.actions if isinstance(a, Stream)
        )
        super().__init__(
            Outline(
                s.arrays, self.program.inputs, s.inputs, s.outputs, s.named, s.sizes, passes,
                tuple(map(_callback, s.routines)), lifetimes(s), total, self._uses_blas,
            ),
            self.threads,
            quick,
        )  # fmt: skip

    @property
    def loops(self) -> str:
        """The scheduled loops."""
        return print_schedule(self.schedule)

    @property
    def llvm(self) -> str:
        """The LLVM IR as it was emitted."""
        return "\n; a module of its own, the same for all programs\n".join([self._module.text, *self._module.others])

    @property
    def optimized(self) -> str:
        """The LLVM IR after LLVM's passes."""
        return self._shown(optimized_text)

    @property
    def assembly(self) -> str:
        """The machine code as text."""
        return self._shown(assembly)

    def _shown(self, form: Callable[[str, Target], str]) -> str:
        return "\n".join(form(text, self.target) for text in (self._module.text, *self._module.others))


def _code(text: str, target: Target, quick: bool) -> bytes:
    """The object file of `text`, made only where it is not on disk."""
    effort = QUICK if quick else (2, PASSES)
    return kept(determinants(text, target, *effort), lambda: object_code(text, target, *effort))


_shared_code = lru_cache(maxsize=16)(_code)
"""The same for modules that are part of many programs."""


def _callback(routine: Routine) -> Callback:
    native = routine.function in NATIVE
    return Callback(routine.function, routine.params, routine.inputs, routine.targets, native)


__all__ = ["Kernel", "ShapeMismatch", "TypeMismatch", "compile_program"]
