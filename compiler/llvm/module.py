"""The module of a schedule: its nests, the entry that runs them, the mathematics that they call.

    i64 entry(ptr arrays, ptr sizes, ptr callback)

`arrays` are the pointers in the order of the schedule's arrays, `sizes` its named sizes, `callback(number, arrays, sizes)` answers for
extern routines.  The result is 0, 1 if an index was out of range, 2 if a routine failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from ..loops import Action, Repeat, Routine, Run, Schedule, StopUnless
from ..scalars import Extern
from ..types import ArrayType
from .builder import BYTES
from .emit import NestEmitter
from .expressions import Expressions
from .integers import INTEGER_FUNCTIONS
from .vecmath import definitions

ENTRY = "kernel"


@dataclass(frozen=True, slots=True)
class Module:
    """LLVM IR text with the C functions that it calls."""

    text: str
    externs: dict[str, Extern]


def emit_module(schedule: Schedule, attributes: str) -> Module:
    """The IR of `schedule`; `attributes` are put on every function (target CPU and features)."""
    mathematics: set[tuple[str, str, int]] = set()
    externs: dict[str, Extern] = {}
    nests: dict[str, NestEmitter] = {}
    parts = []
    for nest in schedule.nests:
        nests[nest.name] = emitter = NestEmitter(schedule.arrays, nest)
        parts.append(emitter.text())
        mathematics |= emitter.mathematics
        externs |= emitter.externs
    parts.append(_Entry(schedule, nests).text())
    parts += [_declaration(name, row) for name, row in externs.items()]
    integer = [INTEGER_FUNCTIONS[name](lanes) for name, dtype, lanes in sorted(mathematics) if dtype == "i64"]
    floating = definitions(sorted(need for need in mathematics if need[1] != "i64"))
    attribute = f"attributes #0 = {{ nounwind noinline {attributes} }}"
    return Module("\n".join([*parts, *dict.fromkeys("\n".join(integer).split("\n\n")), floating, attribute, ""]), externs)


def _declaration(name: str, row: Extern) -> str:
    return f'declare double @"{name}"({"double, " * row.arity}i32)'


class _Entry(Expressions):
    """The function that runs the actions of a schedule."""

    def __init__(self, schedule: Schedule, nests: dict[str, NestEmitter]) -> None:
        super().__init__(schedule.arrays, frozenset())
        self.schedule, self.nests = schedule, nests
        self.labels = 0
        self.stops: list[str] = []

    def text(self) -> str:
        for k, name in enumerate(self.arrays):
            self.entry.append(f"  %p.{name} = getelementptr ptr, ptr %arrays, i64 {k}\n  %a.{name} = load ptr, ptr %p.{name}")
        for k, name in enumerate(self.schedule.sizes):
            self.entry.append(f"  %q.{name} = getelementptr i64, ptr %sizes, i64 {k}\n  %n.{name} = load i64, ptr %q.{name}")
        self.entry.append("  %status = alloca i64\n  store i64 0, ptr %status")
        self.actions(self.schedule.actions)
        self.do(f"ret i64 {self.emit('load i64, ptr %status')}")
        lines = "\n".join([*self.entry, *self.lines])
        return f"define i64 @{ENTRY}(ptr %arrays, ptr %sizes, ptr %callback) #0 {{\nentry:\n{lines}\nfailed:\n  ret i64 2\n}}"

    def actions(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Run(name):
                    self.do(f"call void @nest.{name}({self.nests[name].arguments()})")
                case Routine(number):
                    self.routine(number)
                case Repeat():
                    self.repeat(action)
                case StopUnless(array):
                    self.stop_unless(array)
                case _:
                    assert_never(action)

    def routine(self, number: int) -> None:
        self.labels += 1
        result = self.emit(f"call i64 %callback(i64 {number}, ptr %arrays, ptr %sizes)")
        bad = self.emit(f"icmp ne i64 {result}, 0")
        self.do(f"br i1 {bad}, label %failed, label %done{self.labels}")
        self.label(f"done{self.labels}")

    def stop_unless(self, array: str) -> None:
        assert self.arrays[array] == ArrayType("bool") and BYTES["bool"] == 1
        self.labels += 1
        flag = self.emit(f"load i8, ptr %a.{array}")
        stop = self.emit(f"icmp eq i8 {flag}, 0")
        self.do(f"br i1 {stop}, label %{self.stops[-1]}, label %go{self.labels}")
        self.label(f"go{self.labels}")

    def repeat(self, action: Repeat) -> None:
        self.labels += 1
        k, length = self.labels, self.size(action.length)
        counter = self.at_entry("alloca i64")
        self.do(f"store i64 0, ptr {counter}")
        self.do(f"br label %test{k}")
        self.label(f"test{k}")
        at = self.emit(f"load i64, ptr {counter}")
        self.do(f"br i1 {self.emit(f'icmp slt i64 {at}, {length}')}, label %step{k}, label %left{k}")
        self.label(f"step{k}")
        last = self.emit(f"sub i64 {length}, 1")
        self.do(f"%n.{action.step} = {f'sub i64 {last}, {at}' if action.reverse else f'add i64 {at}, 0'}")
        self.stops.append(f"left{k}")
        self.actions(action.body)
        self.stops.pop()
        self.do(f"store i64 {self.emit(f'add i64 {at}, 1')}, ptr {counter}")
        self.do(f"br label %test{k}")
        self.label(f"left{k}")


