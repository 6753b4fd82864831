"""Functions of counted loops, written by hand: what the matrix products of our own are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .builder import BYTES, SCALAR, Function


class LoopWriter(Function):
    """A function with counted loops over elements of one type."""

    def __init__(self, dtype: str) -> None:
        super().__init__()
        self.scalar, self.bytes = SCALAR[dtype], BYTES[dtype]
        self.labels = 0

    def text(self, name: str, parameters: str, linkage: str = "internal ") -> str:
        lines = "\n".join([*self.entry, *self.lines])
        return f"define {linkage}void @{name}({parameters}) #0 {{\nentry:\n{lines}\n  ret void\n}}"

    @contextmanager
    def loop(self, stop: str, step: int, *, start: str = "0", once: bool = False) -> Iterator[str]:
        """Runs what is emitted within for start, start + step, … below `stop`; with `once` for 0 whatever `stop` is."""
        self.labels += 1
        k = self.labels
        slot = self.allocate("i64", start)
        enter = "true" if once else self.emit(f"icmp sgt i64 {stop}, {start}")
        self.do(f"br i1 {enter}, label %loop{k}, label %after{k}")
        self.label(f"loop{k}")
        at = self.emit(f"load i64, ptr {slot}")
        yield at
        after = self.emit(f"add i64 {at}, {step}")
        self.do(f"store i64 {after}, ptr {slot}")
        self.do(f"br i1 {self.emit(f'icmp slt i64 {after}, {stop}')}, label %loop{k}, label %after{k}")
        self.label(f"after{k}")

    @contextmanager
    def only_if(self, condition: str) -> Iterator[None]:
        """What is emitted within runs where `condition` holds."""
        self.labels += 1
        k = self.labels
        self.do(f"br i1 {condition}, label %yes{k}, label %no{k}")
        self.label(f"yes{k}")
        yield
        self.do(f"br label %no{k}")
        self.label(f"no{k}")

    def place(self, pointer: str, *terms: tuple[str, str]) -> str:
        """`pointer` moved by the sum of products of two numbers, in elements."""
        for x, y in terms:
            offset = self.emit(f"mul i64 {x}, {y}") if y != "1" else x
            pointer = self.emit(f"getelementptr {self.scalar}, ptr {pointer}, i64 {offset}")
        return pointer

    def least(self, x: str, y: str) -> str:
        return self.emit(f"call i64 @llvm.smin.i64(i64 {x}, i64 {y})")

    def multiple(self, x: str, step: int) -> str:
        """The largest multiple of `step` that is not above `x`."""
        return self.emit(f"sub i64 {x}, {self.emit(f'urem i64 {x}, {step}')}")
