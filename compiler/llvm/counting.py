"""Loops and branches of a nest's function: what an inner one does not change is put before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ..types import ArrayType
from .interleaving import Interleaving


class Counting(Interleaving):
    """Expressions within counted loops."""

    def __init__(self, arrays: Mapping[str, ArrayType], written: frozenset[str]) -> None:
        super().__init__(arrays, written)
        self.labels = 0

    def open(self) -> None:
        """Begins a loop's lines, so that what it does not change can still be put before it."""
        self.lines = []
        self.levels.append(self.lines)
        self.known.append({})

    def close(self) -> None:
        """Ends a loop: its lines follow those around it."""
        inner = self.levels.pop()
        self.known.pop()
        self.lines = self.levels[-1]
        self.lines += inner

    def start_loop(self, start: str, stop: str, slack: int) -> int:
        """Opens a loop over ``%i<label>`` that runs while at least `slack` iterations are left."""
        self.labels += 1
        label = self.labels
        last = self.emit(f"sub nsw i64 {stop}, {slack}")
        enter = self.emit(f"icmp sle i64 {start}, {last}")
        self.do(f"br label %before{label}")
        self.label(f"before{label}")
        self.do(f"br i1 {enter}, label %loop{label}, label %after{label}")
        self.label(f"loop{label}")
        self.do(f"%i{label} = phi i64 [ {start}, %before{label} ], [ %next{label}, %latch{label} ]")
        return label

    def end_loop(self, label: int, stop: str, slack: int, width: int, start: str) -> str:
        self.do(f"br label %latch{label}")
        self.label(f"latch{label}")
        self.do(f"%next{label} = add nsw i64 %i{label}, {width}")
        last = self.emit(f"sub nsw i64 {stop}, {slack}")
        more = self.emit(f"icmp sle i64 %next{label}, {last}")
        self.do(f"br i1 {more}, label %loop{label}, label %after{label}")
        self.label(f"after{label}")
        self.do(f"%end{label} = phi i64 [ {start}, %before{label} ], [ %next{label}, %latch{label} ]")
        return f"%end{label}"

    @contextmanager
    def branch(self, condition: str) -> Iterator[Callable[[], None]]:
        """What is emitted within runs where `condition` holds, and after a call of what it gives, where it does not."""
        self.labels += 1
        label = self.labels
        self.open()
        self.do(f"br i1 {condition}, label %then{label}, label %else{label}")
        self.label(f"then{label}")
        self.open()

        def otherwise() -> None:
            self.close()
            self.do(f"br label %joined{label}")
            self.label(f"else{label}")
            self.open()

        yield otherwise
        self.close()
        self.do(f"br label %joined{label}")
        self.label(f"joined{label}")
        self.close()
