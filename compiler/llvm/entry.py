"""The functions that run nests: the kernel's entry, and one function for each pass over a streamed axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from ..externs import NATIVE
from ..loops import Action, Repeat, Routine, Run, Schedule, StopUnless, Stream
from ..outline import COMBINE, ENTRY, STREAM
from ..types import ArrayType, product
from .builder import BYTES
from .emit import NestEmitter
from .expressions import Expressions
from .routines import RoutineWriter, routine_code


class _Caller(Expressions):
    """A function that gets tables of pointers and sizes and calls nests with what they need."""

    def __init__(self, schedule: Schedule, nests: Mapping[str, NestEmitter]) -> None:
        super().__init__(schedule.arrays, frozenset())
        self.schedule, self.nests = schedule, nests

    def run(self, nest: str) -> None:
        emitter = self.nests[nest]
        self.used_arrays |= emitter.used_arrays
        self.used_numbers |= emitter.used_numbers
        self.do(f"call void @nest.{nest}({emitter.arguments()})")

    def unpacked(self) -> list[str]:
        """Lines that load what is used from the tables."""
        lines = []
        for k, name in enumerate(self.arrays):
            if name in self.used_arrays:
                lines += [
                    f"  %p.{name} = getelementptr ptr, ptr %arrays, i64 {k}",
                    f"  %a.{name} = load ptr, ptr %p.{name}",
                ]
        for k, name in enumerate(self.schedule.sizes):
            if name in self.used_numbers:
                lines += [
                    f"  %q.{name} = getelementptr i64, ptr %sizes, i64 {k}",
                    f"  %n.{name} = load i64, ptr %q.{name}",
                ]
        return [*lines, "  %status = alloca i64", "  store i64 0, ptr %status"]


class StreamEmitter(_Caller):
    """``i64 stream.NAME(ptr arrays, ptr sizes, i64 lo, i64 hi, ptr scratch)`` runs the leaves lo <= k < hi.

    The results of the left half are in the arrays of the table, those of the right half in scratch memory until they
    are combined.
    """

    def __init__(self, schedule: Schedule, nests: Mapping[str, NestEmitter], stream: Stream) -> None:
        super().__init__(schedule, nests)
        self.stream = stream

    def text(self) -> str:
        name = self.stream.name
        self.do("%count = sub i64 %hi, %lo")
        self.do("%small = icmp sle i64 %count, 1")
        self.do("br i1 %small, label %leaf, label %split")
        self.leaf()
        self.split()
        lines = "\n".join([*self.unpacked(), *self.entry, *self.lines])
        head = f"define i64 @{STREAM}{name}(ptr %arrays, ptr %sizes, i64 %lo, i64 %hi, ptr %scratch) #0"
        return f"{head} {{\nentry:\n{lines}\n}}"

    def leaf(self) -> None:
        """One tile after the other, added to fresh partial results."""
        name = self.stream.name
        length, tile, leaf = self.size(self.stream.length), self.number(f"{name}.tile"), self.number(f"{name}.leaf")
        self.label("leaf")
        if self.stream.begin:
            self.run(self.stream.begin)
        first = self.emit(f"mul i64 %lo, {leaf}")
        after = self.emit(f"mul i64 %hi, {leaf}")
        end = self.emit(f"call i64 @llvm.smin.i64(i64 {after}, i64 {length})")
        self.do("br label %test")
        self.label("test")
        self.do(f"%n.{name}.start = phi i64 [ {first}, %leaf ], [ %n.{name}.stop, %tile ]")
        self.do(f"%more = icmp slt i64 %n.{name}.start, {end}")
        self.do("br i1 %more, label %tile, label %done")
        self.label("tile")
        ahead = self.emit(f"add i64 %n.{name}.start, {tile}")
        self.do(f"%n.{name}.stop = call i64 @llvm.smin.i64(i64 {ahead}, i64 {end})")
        for step in self.stream.body:
            self.run(step.name)
        self.do("br label %test")
        self.label("done")
        self.do(f"ret i64 {self.emit('load i64, ptr %status')}")

    def split(self) -> None:
        name, arguments = self.stream.name, "ptr %sizes"
        self.label("split")
        total = self.emit("add i64 %lo, %hi")
        middle = self.emit(f"ashr i64 {total}, 1")
        left = self.emit(f"call i64 @{STREAM}{name}(ptr %arrays, {arguments}, i64 %lo, i64 {middle}, ptr %scratch)")
        table = 8 * len(self.arrays)
        self.do(f"call void @llvm.memcpy.p0.p0.i64(ptr %scratch, ptr %arrays, i64 {table}, i1 false)")
        offset = str(-(-table // 64) * 64)
        order = list(self.arrays)
        for array in self.stream.partial:
            self.do(f"%a.{array}.right = getelementptr i8, ptr %scratch, i64 {offset}")
            slot = self.emit(f"getelementptr ptr, ptr %scratch, i64 {order.index(array)}")
            self.do(f"store ptr %a.{array}.right, ptr {slot}")
            offset = self.emit(f"add i64 {offset}, {self.padded(self.arrays[array])}")
        deeper = self.emit(f"getelementptr i8, ptr %scratch, i64 {offset}")
        right = self.emit(f"call i64 @{STREAM}{name}(ptr %scratch, {arguments}, i64 {middle}, i64 %hi, ptr {deeper})")
        if self.stream.combine:
            self.run(self.stream.combine)
        self.do(f"ret i64 {self.emit(f'or i64 {left}, {right}')}")

    def padded(self, type_: ArrayType) -> str:
        """The bytes of an array, rounded up to 64."""
        total = self.emit(f"mul i64 {self.size(product(type_.shape))}, {BYTES[type_.dtype]}")
        return self.emit(f"and i64 {self.emit(f'add i64 {total}, 63')}, -64")


class CombineEmitter(_Caller):
    """``i64 combine.NAME(ptr arrays, ptr sizes, ptr right)`` adds the partial results of the table `right` to the
    others.
    """

    def __init__(self, schedule: Schedule, nests: Mapping[str, NestEmitter], stream: Stream) -> None:
        super().__init__(schedule, nests)
        self.stream = stream

    def text(self) -> str:
        order = list(self.arrays)
        for array in self.stream.partial:
            slot = self.emit(f"getelementptr ptr, ptr %right, i64 {order.index(array)}")
            self.do(f"%a.{array}.right = load ptr, ptr {slot}")
        if self.stream.combine:
            self.run(self.stream.combine)
        lines = "\n".join([*self.unpacked(), *self.entry, *self.lines])
        head = f"define i64 @{COMBINE}{self.stream.name}(ptr %arrays, ptr %sizes, ptr %right) #0"
        return f"{head} {{\nentry:\n{lines}\n  ret i64 0\n}}"


class EntryEmitter(_Caller):
    """The function that runs the actions of a schedule."""

    def __init__(self, schedule: Schedule, nests: Mapping[str, NestEmitter]) -> None:
        super().__init__(schedule, nests)
        self.labels = 0
        self.streams = 0
        self.routines: list[RoutineWriter] = []
        self.stops: list[str] = []

    def text(self) -> str:
        self.actions(self.schedule.actions)
        self.do(f"ret i64 {self.emit('load i64, ptr %status')}")
        lines = "\n".join([*self.unpacked(), *self.entry, *self.lines])
        head = f"define i64 @{ENTRY}(ptr %arrays, ptr %sizes, ptr %callback) #0"
        return f"{head} {{\nentry:\n{lines}\nfailed:\n  ret i64 2\n}}"

    def actions(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Run(name):
                    self.run(name)
                case Stream():
                    self.stream(action)
                case Routine():
                    self.routine(action)
                case Repeat():
                    self.repeat(action)
                case StopUnless(array):
                    self.stop_unless(array)
                case _:
                    assert_never(action)

    def routine(self, action: Routine) -> None:
        """Runs the machine code of a routine; calls back where that gives up, and where there is none."""
        self.labels += 1
        k = self.labels
        if action.function in NATIVE:
            body = routine_code(action, self.arrays)
            self.routines.append(body)
            arrays = (*action.inputs, *action.targets, *action.work)
            self.used_arrays |= dict.fromkeys(arrays)
            arguments = [*(f"ptr %a.{name}" for name in arrays), *(f"i64 {self.size(n)}" for n in body.sizes)]
            status = self.emit(f"call i64 @{body.name}({', '.join(arguments)})")
            self.do(f"br i1 {self.emit(f'icmp eq i64 {status}, 0')}, label %done{k}, label %unable{k}")
            self.label(f"unable{k}")
            self.do(f"br i1 {self.emit('icmp eq ptr %callback, null')}, label %failed, label %ask{k}")
            self.label(f"ask{k}")
        result = self.emit(f"call i64 %callback(i64 {action.number}, ptr %arrays, ptr %sizes)")
        self.do(f"br i1 {self.emit(f'icmp ne i64 {result}, 0')}, label %failed, label %done{k}")
        self.label(f"done{k}")

    def stream(self, action: Stream) -> None:
        """Runs the pass here, or has it run on several threads."""
        leaves, threads = self.number(f"{action.name}.leaves"), self.number(f"{action.name}.threads")
        self.labels += 1
        k = self.labels
        number = -1 - self.streams
        self.streams += 1
        several = self.emit(f"icmp sgt i64 {threads}, 1")
        self.do(f"br i1 {several}, label %many{k}, label %one{k}")
        self.label(f"many{k}")
        shared = self.emit(f"call i64 %callback(i64 {number}, ptr %arrays, ptr %sizes)")
        bad = self.emit(f"icmp eq i64 {shared}, 2")
        self.do(f"br i1 {bad}, label %failed, label %both{k}")
        self.label(f"one{k}")
        slot = self.emit(f"getelementptr ptr, ptr %arrays, i64 {len(self.arrays)}")
        arguments = f"ptr %arrays, ptr %sizes, i64 0, i64 {leaves}, ptr {self.emit(f'load ptr, ptr {slot}')}"
        alone = self.emit(f"call i64 @{STREAM}{action.name}({arguments})")
        self.do(f"br label %both{k}")
        self.label(f"both{k}")
        status = self.emit(f"phi i64 [ {shared}, %many{k} ], [ {alone}, %one{k} ]")
        old = self.emit("load i64, ptr %status")
        self.do(f"store i64 {self.emit(f'or i64 {old}, {status}')}, ptr %status")

    def stop_unless(self, array: str) -> None:
        self.used_arrays[array] = None
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
