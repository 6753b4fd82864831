"""Tapes: straight-line scalar programs of any length as NumPy arrays of opcodes and operands.

A formula written out body by body or term by term has as many statements as operations; a record for each would cost
more than computing with it.  A tape holds them in five arrays.  Values are numbered: first the inputs, then the
constants, then the results of the instructions in their order, each of which reads earlier values only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .records import record
from .scalars import SCALARS, Extern, kind, result_type
from .types import DTYPES

Array = np.ndarray[Any, Any]
NONE = -1
"""The operand that an instruction does not have."""
ARITY = 3
"""The most operands of an instruction."""


@record(frozen=True, slots=True)
class Opcode:
    """A scalar instruction with the element types of its operands; `result` is that of its value."""

    name: str
    types: tuple[str, ...]

    @property
    def result(self) -> str:
        """The element type of the value."""
        return result_type(self.name, list(self.types))

    @property
    def own(self) -> str:
        """The element type that its emission is chosen by."""
        return self.types[-1] if self.name in ("where", "mask") else self.types[0]

    @property
    def fits(self) -> bool:
        """Whether a tape may have it: on numbers and truth values, and without a function from elsewhere."""
        types = {*self.types, self.result}
        return types <= {"f64", "bool"} and not isinstance(SCALARS[self.name].emit[kind(self.own)], Extern)


@record(frozen=True, slots=True, eq=False)
class Tape:
    """`inputs` numbers of f64 in, `outputs` (numbers of values of f64) out; row k of `operands` are the values that
    instruction k reads, NONE where it has fewer than ARITY."""

    inputs: int
    constants: Array
    table: tuple[Opcode, ...]
    opcodes: Array
    operands: Array
    outputs: Array

    @property
    def first(self) -> int:
        """The number of the first instruction's value."""
        return self.inputs + len(self.constants)

    def __len__(self) -> int:
        return len(self.opcodes)


def check(tape: Tape) -> None:
    """Raises ValueError unless every instruction of `tape` reads as many earlier values as it takes."""
    arity = np.array([len(op.types) for op in tape.table], np.int64)[tape.opcodes] if len(tape) else np.zeros(0)
    used = np.arange(ARITY) < arity[:, None]
    numbers = tape.first + np.arange(len(tape))[:, None]
    known = (tape.operands >= 0) & (tape.operands < numbers)
    if not np.array_equal(used, tape.operands != NONE) or not known[used].all():
        raise ValueError("tape: an instruction reads a value that is not there yet, or too few or too many")
    if len(tape.outputs) and not (tape.outputs.min() >= 0 and tape.outputs.max() < tape.first + len(tape)):
        raise ValueError("tape: an output is not there")


def levels(tape: Tape) -> Array:
    """For each instruction the length of the longest way to it from inputs and constants."""
    found = np.zeros(tape.first + len(tape), np.int64)
    for k, row in enumerate(tape.operands.tolist(), tape.first):
        found[k] = 1 + max([int(found[i]) for i in row if i != NONE], default=0)
    return found[tape.first :]


def evaluate(tape: Tape, values: Sequence[float]) -> Array:
    """The outputs for the inputs `values`, in NumPy: all instructions of a level that are alike at once."""
    held = np.concatenate([np.asarray(values, np.float64), tape.constants, np.zeros(len(tape))])
    level = levels(tape)
    order = np.lexsort((tape.opcodes, level))
    cuts = np.flatnonzero(np.diff(level[order]) | np.diff(tape.opcodes[order])) + 1
    with np.errstate(all="ignore"):
        for group in np.split(order, cuts) if len(tape) else ():
            op = tape.table[tape.opcodes[group[0]]]
            args = [held[tape.operands[group, k]].astype(DTYPES[dtype]) for k, dtype in enumerate(op.types)]
            held[tape.first + group] = SCALARS[op.name].numpy(*args)
    return held[tape.outputs]


def print_tape(tape: Tape) -> str:
    """One line per instruction: ``v7 = add v0, 0.5``."""
    names = [*(f"x{k}" for k in range(tape.inputs)), *map(repr, tape.constants.tolist())]
    lines = []
    for code, row in zip(tape.opcodes.tolist(), tape.operands.tolist(), strict=True):
        names.append(f"v{len(names)}")
        lines.append(f"{names[-1]} = {tape.table[code].name} {', '.join(names[i] for i in row if i != NONE)}")
    return "\n".join([*lines, f"return {', '.join(names[v] for v in tape.outputs.tolist())}", ""])


@record(frozen=True, slots=True, eq=False)
class Pieces:
    """How a tape is cut: instructions ``starts[k]`` to ``starts[k + 1]`` are one function.  `slots` gives each value
    that another piece reads a place in memory of `size` numbers (NONE for the others); inputs stand at the beginning.
    A place serves another value when no later piece reads the first."""

    starts: Array
    slots: Array
    size: int


def cut(tape: Tape, length: int) -> Pieces:
    """`tape` in pieces of at most `length` instructions."""
    n, first = len(tape), tape.first
    last = np.full(first + n, NONE, np.int64)
    for k in range(ARITY):
        column = tape.operands[:, k]
        used = column != NONE
        np.maximum.at(last, column[used], np.flatnonzero(used) // length)
    count = -(-n // length)
    own = np.concatenate([np.full(first, NONE, np.int64), np.arange(n) // length])
    crossing = np.flatnonzero((last > own) & (np.arange(first + n) >= first))
    slots = np.full(first + n, NONE, np.int64)
    slots[: tape.inputs] = np.arange(tape.inputs)
    ending: list[list[int]] = [[] for _ in range(count + 1)]
    free: list[int] = []
    size, piece = tape.inputs, 0
    for v, here, end in zip(crossing.tolist(), own[crossing].tolist(), last[crossing].tolist(), strict=True):
        while piece < here:
            for slot in ending[piece]:
                heappush(free, slot)
            piece += 1
        if free:
            slot = heappop(free)
        else:
            slot, size = size, size + 1
        slots[v] = slot
        ending[end].append(slot)
    return Pieces(np.minimum(np.arange(count + 1) * length, n), slots, size)


def batches(tape: Tape, start: int, stop: int, together: frozenset[int], lanes: int) -> Iterator[list[int]]:
    """The instructions `start` to `stop` in an order in which they can be done, those of the opcodes `together` up to
    `lanes` of the same opcode at a time.

    Such an instruction waits until everything else that can be done without it is done; then those of which there are
    most go first."""
    waiting = list(range(start, stop))
    rows, codes = tape.operands[start:stop].tolist(), tape.opcodes[start:stop].tolist()
    while waiting:
        missing: set[int] = set()
        ready: dict[int, list[int]] = {}
        later = []
        for k in waiting:
            if missing and not missing.isdisjoint(rows[k - start]):
                later.append(k)
            elif codes[k - start] in together:
                ready.setdefault(codes[k - start], []).append(k)
            else:
                yield [k]
                continue
            missing.add(k + tape.first)
        if ready:
            most = max(ready.values(), key=len)
            yield from (most[k : k + lanes] for k in range(0, len(most), lanes))
            later += [k for group in ready.values() if group is not most for k in group]
        waiting = sorted(later)


__all__ = ["ARITY", "NONE", "Opcode", "Pieces", "Tape", "batches", "check", "cut", "evaluate", "levels", "print_tape"]
