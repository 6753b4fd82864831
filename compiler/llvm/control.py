"""LLVM IR functions with loops and conditions, as text: what runs once per call, where no array is traversed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .builder import Function


class Writer(Function):
    """One IR function ``define RESULT @NAME(PARAMETERS)``; `refuse` is the label to which `require` leaves."""

    def __init__(self, head: str, refuse: str = "no") -> None:
        super().__init__()
        self.head, self.refuse, self.labels = head, refuse, 0

    def text(self) -> str:
        """The function's IR; lines at its entry stand first."""
        return "\n".join([f"define {self.head} {{", "start:", *self.entry, *self.lines, "}", ""])

    # ---- memory

    def place(self, base: str, index: int | str, type_: str = "i64") -> str:
        """The address of element `index` of an array of `type_`."""
        return base if index == 0 else self.emit(f"getelementptr {type_}, ptr {base}, i64 {index}")

    def load(self, type_: str, base: str, index: int | str = 0) -> str:
        """Element `index` of an array of words, read as `type_`."""
        return self.emit(f"load {type_}, ptr {self.place(base, index)}")

    def field(self, type_: str, base: str, offset: int) -> str:
        """What stands `offset` bytes behind `base`."""
        return self.emit(f"load {type_}, ptr {self.place(base, offset, 'i8')}")

    def store(self, type_: str, value: str, base: str, index: int | str = 0) -> None:
        """Sets element `index` of an array of words."""
        self.do(f"store {type_} {value}, ptr {self.place(base, index)}")

    # ---- control

    def fresh_label(self, name: str) -> str:
        self.labels += 1
        return f"{name}{self.labels}"

    def require(self, condition: str) -> None:
        """Leaves to `refuse` unless `condition` holds."""
        on = self.fresh_label("on")
        self.do(f"br i1 {condition}, label %{on}, label %{self.refuse}")
        self.label(on)

    def same(self, type_: str, a: str, b: str | int) -> str:
        return self.emit(f"icmp eq {type_} {a}, {b}")

    def differs(self, type_: str, a: str, b: str | int) -> str:
        return self.emit(f"icmp ne {type_} {a}, {b}")

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """What is written within runs if `condition` holds."""
        inside, after = self.fresh_label("then"), self.fresh_label("after")
        self.do(f"br i1 {condition}, label %{inside}, label %{after}")
        self.label(inside)
        yield
        self.do(f"br label %{after}")
        self.label(after)

    @contextmanager
    def each(self, count: str) -> Iterator[str]:
        """What is written within runs for k = 0 ... count - 1; gives k."""
        counter = self.allocate("i64", "0")
        test, inside, after = (self.fresh_label(name) for name in ("test", "each", "done"))
        self.do(f"br label %{test}")
        self.label(test)
        k = self.emit(f"load i64, ptr {counter}")
        self.do(f"br i1 {self.emit(f'icmp slt i64 {k}, {count}')}, label %{inside}, label %{after}")
        self.label(inside)
        yield k
        self.do(f"store i64 {self.emit(f'add i64 {k}, 1')}, ptr {counter}")
        self.do(f"br label %{test}")
        self.label(after)

    def answer(self, value: str) -> None:
        """Returns `value` here, and false at `refuse`: the end of a function that tells whether something is so."""
        self.do(f"ret i1 {value}")
        self.label(self.refuse)
        self.do("ret i1 false")


__all__ = ["Writer"]
