"""From a graph to numbers through compiled kernels.

A machine is made without compiling anything; the first call does that.  Where the order of products depends on
sizes there is one kernel for each order that was found best, chosen by the magnitudes of the sizes alone, so that
the same call gives the same bits whatever was called before it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .arguments import plain_name
from .compiler.index import Program
from .compiler.records import record
from .compiler.running import Finished, Runner, overlap
from .errors import DomainError, OutOfMemory
from .graph import Node, collector_paused, orders_kept
from .lowering import Lowered, expand, lower
from .planning import TYPICAL_SIZE, depends_on_sizes, plan
from .progress import Tell, shown
from .rewrite.canonical import canonicalise
from .specialise import numbered
from .tapes import tape_of

if TYPE_CHECKING:
    from .compiler.builtin import Ready
    from .compiler.llvm.jit import Target
    from .compiler.tape import Tape

Array = np.ndarray[Any, Any]
BITS = 3
"""Sizes within a factor of 2**BITS of one another are planned alike."""


@record(frozen=True, slots=True)
class Options:
    """How to compile: for which machine, numbers that the size names are likely to have, on how many threads at most
    (None: as many as there are processors); whether calls wait for the code, and whether a bar is shown meanwhile
    (None: if somebody sees it)."""

    target: Target | None = None
    sizes: tuple[tuple[str, int], ...] = ()
    threads: int | None = None
    wait: bool = True
    verbose: bool | None = None


@record(frozen=True, slots=True)
class Planned:
    """What calls must know of the sizes: their numbered names by those of the user."""

    sizes: dict[str, str]
    hidden: tuple[str, ...]
    """Size names that stand alone in no argument's shape, so that kernels must be told them."""
    follows_sizes: bool


@record(frozen=True, slots=True)
class Prepared:
    """The canonical formula in numbered names, ready to be planned."""

    roots: list[Node]
    symbols: list[Node]
    planned: Planned


class Made(NamedTuple):
    """What is kept of a version on disk."""

    constants: tuple[Array, ...]
    positions: tuple[int, ...]
    finished: Finished


@record(frozen=True, slots=True)
class Version:
    """A kernel and the constants that it is called with."""

    lowered: Lowered
    kernel: Runner

    @property
    def finished(self) -> Made:
        """What is needed to run it."""
        return Made(self.lowered.constants, self.lowered.positions, self.kernel.finished)

    @property
    def improved(self) -> Version:
        """The same with code that is as fast as it can be; itself where it is."""
        from .compiler.kernel import Kernel

        return replace(self, kernel=self.kernel.improved()) if isinstance(self.kernel, Kernel) else self


class Keeper(Protocol):
    """What keeps compiled code from process to process."""

    planned: Planned | None

    def version(self, key: tuple[int, ...]) -> Made | None: ...
    def keep(self, key: tuple[int, ...], version: Version, planned: Planned) -> None: ...


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Machine:
    """Computes `roots`, or those that it gives, from arrays for `symbols`; what the `keeper` has is not compiled."""

    def __init__(
        self,
        roots: Sequence[Node] | Callable[[], Sequence[Node]],
        symbols: Sequence[Node],
        options: Options,
        keeper: Keeper | None = None,
    ) -> None:
        self._given, self.symbols, self.options, self._keeper = roots, tuple(symbols), options, keeper
        self._lock = threading.RLock()
        self._versions: dict[tuple[int, ...], Version] = {}
        self._kernels: dict[tuple[Node, ...], Version] = {}
        self._making: dict[tuple[int, ...], threading.Thread] = {}

    @cached_property
    def roots(self) -> tuple[Node, ...]:
        """The formula."""
        return tuple(self._given() if callable(self._given) else self._given)

    @property
    def anew(self) -> Machine:
        """A machine that has compiled everything itself, so that it can be looked at."""
        return self if self._keeper is None else Machine(self._given, self.symbols, self.options)

    @cached_property
    def planned(self) -> Planned:
        """What calls must know of the sizes."""
        kept = None if self._keeper is None else self._keeper.planned
        return self.prepared.planned if kept is None else kept

    @cached_property
    def canonical(self) -> list[Node]:
        """The formula in canonical form, in the user's names."""
        return canonicalise(self.roots)

    @cached_property
    def tape(self) -> Tape | None:
        """The formula as a tape if it is large and of scalars alone."""
        return tape_of(expand(self.canonical), self.symbols)

    @cached_property
    def prepared(self) -> Prepared:
        """The canonical formula with numbered names; nothing of one that is a tape."""
        if self.tape is not None:
            return Prepared([], [], Planned({}, (), False))
        roots, symbols, sizes = numbered(self.canonical, self.symbols)
        roots = expand(roots)
        seen = {plain_name(n) for x in symbols for n in x.type.shape}
        hidden = tuple(name for name, new in sizes.items() if new not in seen)
        return Prepared(roots, symbols, Planned(sizes, hidden, not self.options.sizes and depends_on_sizes(roots)))

    def version(self, numbers: Mapping[str, int], hurry: bool = False) -> Version:
        """The kernel for sizes like `numbers`, compiled if there is none yet.

        In a `hurry` one whose code was made quickly will do the first time."""
        with self._lock:
            key = self._key(numbers)
            known = self._versions.get(key)
            found = known or self._kept(key) or self._made(key, numbers if hurry else None)
            if found.kernel.quick and (known is not None or not hurry):
                found = self._made(key)
            self._versions[key] = found
            return found

    def soon(self, numbers: Mapping[str, int]) -> Bound | None:
        """The kernel for these sizes if it is there; else None, and it is made in the background.

        What went wrong there is raised by the next call."""
        key = self._key(numbers)
        if key not in self._versions and key not in self._making:
            self._making[key] = threading.Thread(target=self._make, args=(dict(numbers),), daemon=True)
            self._making[key].start()
        return None if self._making.get(key) is not None and self._making[key].is_alive() else self.bound(numbers)

    def _make(self, numbers: Mapping[str, int]) -> None:
        with suppress(Exception):  # raised where somebody hears it, by making it again
            self.version(numbers)

    def finish(self) -> None:
        """Waits for what is made in the background."""
        for thread in list(self._making.values()):
            thread.join()

    def _key(self, numbers: Mapping[str, int]) -> tuple[int, ...]:
        return self._magnitudes(numbers) if self.planned.follows_sizes else ()

    def _kept(self, key: tuple[int, ...]) -> Version | None:
        """The kernel as another process left it."""
        found = None if self._keeper is None else self._keeper.version(key)
        if found is None:
            return None
        constants, positions, finished = found
        kernel = Runner.restored(finished, self.options.threads or processors())
        return Version(Lowered(Program(kernel.outline.types, (), ()), constants, positions), kernel)

    def _made(self, key: tuple[int, ...], first: Mapping[str, int] | None = None) -> Version:
        made = self._compile(key, first)
        if self._keeper is not None:
            self._keeper.keep(key, made, self.planned)
        return made

    def _magnitudes(self, numbers: Mapping[str, int]) -> tuple[int, ...]:
        sizes = (numbers.get(name, TYPICAL_SIZE) for name in self.planned.sizes)
        return tuple((n.bit_length() + 1) // BITS for n in sizes)

    def _compile(self, key: tuple[int, ...], first: Mapping[str, int] | None) -> Version:
        with shown(4, self.options.verbose) as tell, collector_paused():
            return self._compile_telling(key, first, tell)

    def _compile_telling(self, key: tuple[int, ...], first: Mapping[str, int] | None, tell: Tell) -> Version:
        from .compiler.tape_kernel import compile_tape

        tell("derivative")
        _ = self.roots
        tell("canonical form")
        _ = self.canonical
        tell("plan")
        if self.tape is not None:
            tell("machine code")
            kernel = compile_tape(self.tape, self.options.target)
            return Version(Lowered(kernel.program, (), tuple(range(len(self.roots)))), kernel)
        likely = dict(self.options.sizes)
        if key:
            likely = {name: 1 << BITS * k for name, k in zip(self.planned.sizes, key, strict=True)}
        renamed = self.planned.sizes
        roots = plan(self.prepared.roots, {renamed[name]: n for name, n in likely.items() if name in renamed})
        known = self._kernels.get(tuple(roots))
        if known is None or known.kernel.quick:
            tell("machine code")
            known = self._kernels[tuple(roots)] = self._kernel(roots, first) if known is None else known.improved
        return known

    def _kernel(self, roots: Sequence[Node], first: Mapping[str, int] | None) -> Version:
        from .compiler.kernel import compile_program

        lowered, renamed = lower(roots, self.prepared.symbols), self.planned.sizes
        # A kernel serves all sizes that are planned alike, so only what was said at compiling may shape it.
        hint = {renamed[name]: n for name, n in self.options.sizes if name in renamed}
        numbers = None if first is None else {renamed[name]: n for name, n in first.items() if name in renamed}
        kernel = compile_program(
            lowered.program, threads=self.options.threads or processors(), target=self.options.target, sizes=hint,
            first=numbers,
        )  # fmt: skip
        return Version(lowered, kernel)

    @orders_kept()
    @collector_paused()
    def bound(self, numbers: Mapping[str, int], hurry: bool = False) -> Bound:
        """The kernel for these sizes, compiled if there is none yet (see `version`), with all that it must be told."""
        hidden = {self.planned.sizes[name]: numbers[name] for name in self.planned.hidden}
        return Bound(self.version(numbers, hurry), hidden)

    def run(
        self, arrays: Sequence[Array], numbers: Mapping[str, int], out: Sequence[Array] | None = None
    ) -> list[Array]:
        """The results for C-contiguous `arrays` of the symbols' types; written to `out` where it is given and can
        be."""
        return self.bound(numbers).run(arrays, out)


@record(frozen=True, slots=True)
class Bound:
    """A kernel for given sizes; `hidden` are those that no argument shows."""

    version: Version
    hidden: dict[str, int]

    def ready(self, arrays: Sequence[Array]) -> Ready | None:
        """What machine code must know to run the kernel itself for arguments like `arrays`; None where it cannot."""
        constants, positions = self.version.lowered.constants, self.version.lowered.positions
        found = self.version.kernel.ready([*arrays, *constants], self.hidden, len(constants))
        if found is None:
            return None
        return replace(
            found,
            outputs=tuple(found.outputs[k] for k in positions),
            output_bytes=tuple(found.output_bytes[k] for k in positions),
            output_shapes=tuple(found.output_shapes[k] for k in positions),
        )

    def run(self, arrays: Sequence[Array], out: Sequence[Array] | None = None) -> list[Array]:
        """The results for `arrays` of the sizes that this was bound for, already checked."""
        lowered = self.version.lowered
        direct = out if out is not None and _direct(out, arrays, lowered.positions) else None
        try:
            results = self.version.kernel(*arrays, *lowered.constants, out=direct, sizes=self.hidden)
        except IndexError:
            raise DomainError("indexing: an index is out of range for its axis") from None
        except MemoryError as error:
            raise OutOfMemory(f"the arrays of this call do not fit into memory: {error}") from None
        found = [results[k] for k in lowered.positions]
        if out is None:
            return _distinct(found) if len(found) > 1 else found
        if direct is None:
            for target, result in zip(out, found, strict=True):
                np.copyto(target, result)
        return list(out)


def _direct(out: Sequence[Array], arrays: Sequence[Array], positions: Sequence[int]) -> bool:
    """Whether a kernel can write to `out` itself: contiguous memory that nothing else in the call uses."""
    if list(positions) != list(range(len(out))) or not all(a.flags.c_contiguous for a in out):
        return False
    return not overlap(out, arrays)


def _distinct(results: list[Array]) -> list[Array]:
    """`results` with an array of its own for each, also for outputs that are one node."""
    seen: set[int] = set()
    for k, a in enumerate(results):
        if id(a) in seen:
            results[k] = a.copy()
        seen.add(id(a))
    return results


__all__ = ["Bound", "Machine", "Options", "Version"]
