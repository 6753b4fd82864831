"""Reads programs written as `text.py` prints them; that module shows the format."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from .index import Assign, Axis, AxisValue, Call, Const, Expr, Extern, Load, Loop, Program, Reduce, SizeValue, Statement
from .scalars import REDUCTIONS
from .types import DTYPES, ArrayType, Dim, floordiv, max0, named

T = TypeVar("T")
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf\b)|nan\b|inf\b)|(?P<name>[A-Za-z_][\w.]*)"""
    r"""|(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>//|\*\*|[][(),:<=+*-]))"""
)


class ProgramSyntaxError(ValueError):
    """The text is not a program; the message holds the line and its number."""


def read_program(text: str) -> Program:
    """The Program that `text` says (ProgramSyntaxError otherwise); comments run from ``#`` to the end of the line."""
    lines = [(k, line.split("#")[0].strip()) for k, line in enumerate(text.splitlines(), 1)]
    reader = _Lines([(k, line) for k, line in lines if line])
    head = reader.take("program")
    head.expect("(")
    inputs = tuple(head.items(")", head.typed))
    sizes: tuple[str, ...] = ()
    if head.accept("sizes"):
        head.expect("(")
        sizes = tuple(head.items(")", head.name))
    statements = _body(reader, "return")
    line = reader.take("return")
    return Program(inputs, tuple(statements), tuple(line.items("", line.name)), sizes)


class _Lines:
    """The lines still to be read."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self.lines, self.at = lines, 0

    def starts(self, *words: str) -> bool:
        return self.at < len(self.lines) and self.lines[self.at][1].split("(")[0].split(" ")[0] in words

    def take(self, *word: str) -> _Line:
        if self.at == len(self.lines):
            raise ProgramSyntaxError(
                f"the text ends where a line is expected{' that starts with ' * bool(word)}{''.join(word)}"
            )
        number, text = self.lines[self.at]
        self.at += 1
        line = _Line(number, text)
        for expected in word:
            line.expect(expected)
        return line


def _body(reader: _Lines, end: str) -> list[Statement]:
    statements: list[Statement] = []
    while not reader.starts(end):
        if reader.starts("loop"):
            statements.append(_read_loop(reader))
        else:
            statements.append(_read_statement(reader.take()))
    return statements


def _read_loop(reader: _Lines) -> Loop:
    line = reader.take("loop")
    length = line.size()
    reverse = line.accept("reverse")
    condition = line.name() if line.accept("while") else None
    carried: list[tuple[str, str, str]] = []
    after: list[str] = []
    sliced: list[tuple[str, str]] = []
    stacked: list[tuple[str, str]] = []
    inputs: list[tuple[str, ArrayType]] = []
    while reader.starts("carry", "slice", "stack"):
        line = reader.take()
        match line.name():
            case "carry":
                inputs.append(line.typed())
                start, final, new = (line.after(word) for word in ("from", "to", "next"))
                carried.append((inputs[-1][0], start, final))
                after.append(new)
            case "slice":
                inputs.append(line.typed())
                sliced.append((inputs[-1][0], line.after("of")))
            case _:
                stacked.append((line.name(), line.after("to")))
    body = Program(tuple(inputs), tuple(_body(reader, "end")), ())
    reader.take("end")
    return Loop(body, length, tuple(carried), tuple(after), tuple(sliced), tuple(stacked), reverse, condition)


def _read_statement(line: _Line) -> Statement:
    targets: list[tuple[str, ArrayType]] = []
    axes: tuple[Axis, ...] = ()
    while not line.accept("="):
        if targets:
            line.expect(",")
        name, type_, axes = line.target()
        targets.append((name, type_))
    target, type_ = targets[0]
    if line.accept("extern"):
        function = line.name()
        line.expect("(")
        params = tuple(line.items(")", line.param))
        line.expect("of")
        line.expect("(")
        return Extern(function, params, tuple(line.items(")", line.name)), tuple(targets))
    if line.accept("scatter"):
        op = line.name()
        axes = line.axes()
        line.expect("at")
        line.expect("[")
        at = tuple(line.items("]", line.expr))
        line.expect("of")
        return Assign(target, type_, axes, line.expr(), at, None if op == "last" else op)
    return Assign(target, type_, axes, line.value())


class _Line:
    """A cursor over the tokens of one line."""

    def __init__(self, number: int, text: str) -> None:
        self.number, self.text, self.at = number, text, 0
        self.tokens: list[tuple[str, str]] = []
        start = 0
        while start < len(text):
            match = _TOKEN.match(text, start)
            if match is None or match.lastgroup is None:
                raise ProgramSyntaxError(f"line {number}: cannot read {text[start:]!r} in {text!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            start = match.end()
        self.tokens.append(("end", ""))

    def fail(self, wanted: str) -> ProgramSyntaxError:
        found = self.tokens[self.at][1] or "the end of the line"
        return ProgramSyntaxError(f"line {self.number}: expected {wanted}, found {found} in {self.text!r}")

    def accept(self, text: str) -> bool:
        if self.tokens[self.at][1] == text and self.tokens[self.at][0] != "string":
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.fail(text)

    def take(self, group: str) -> str:
        if self.tokens[self.at][0] != group:
            raise self.fail(f"a {group}")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def name(self) -> str:
        return self.take("name")

    def after(self, word: str) -> str:
        self.expect(word)
        return self.name()

    def items(self, end: str, read: Callable[[], T]) -> list[T]:
        found: list[T] = []
        while not (self.accept(end) if end else self.tokens[self.at][0] == "end"):
            if found:
                self.expect(",")
            found.append(read())
        return found

    # ---- types and sizes

    def typed(self) -> tuple[str, ArrayType]:
        """``name: f64[m, n]``"""
        name = self.name()
        self.expect(":")
        return name, ArrayType(self.dtype(), tuple(self.items("]", self.size)) if self.accept("[") else ())

    def dtype(self) -> str:
        if self.tokens[self.at][1] not in DTYPES:
            raise self.fail("an element type")
        return self.name()

    def target(self) -> tuple[str, ArrayType, tuple[Axis, ...]]:
        """``name: f64[i < m]`` with axes, ``name: f64[m]`` without."""
        if ("mark", "<") in self.tokens[self.at + 5 : self.at + 6]:
            name = self.name()
            self.expect(":")
            dtype, axes = self.dtype(), self.axes()
            return name, ArrayType(dtype, tuple(axis.size for axis in axes)), axes
        return (*self.typed(), ())

    def axes(self) -> tuple[Axis, ...]:
        self.expect("[")
        return tuple(self.items("]", self.axis))

    def axis(self) -> Axis:
        name = self.name()
        self.expect("<")
        return Axis(name, self.size())

    def size(self) -> Dim:
        total = self.size_term()
        while True:
            if self.accept("+"):
                total = total + self.size_term()
            elif self.accept("-"):
                total = total - self.size_term()
            elif self.tokens[self.at][1].startswith("-"):
                total = total + self.size_term()
            else:
                return total

    def size_term(self) -> Dim:
        total = -1 * self.size_factor() if self.accept("-") else self.size_factor()
        while True:
            if self.accept("*"):
                total = total * self.size_factor()
            elif self.accept("//"):
                total = floordiv(total, self.size_factor())
            else:
                return total

    def size_factor(self) -> Dim:
        base = self.size_atom()
        if not self.accept("**"):
            return base
        power = base
        for _ in range(int(self.take("number")) - 1):
            power = power * base
        return power

    def size_atom(self) -> Dim:
        if self.accept("("):
            size = self.size()
            self.expect(")")
            return size
        if self.tokens[self.at][0] == "number":
            return int(self.take("number"))
        name = self.name()
        if name != "max" or not self.accept("("):
            return named(name)
        for text in ("0", ","):
            self.expect(text)
        size = self.size()
        self.expect(")")
        return max0(size)

    # ---- values

    def value(self) -> Expr | Reduce:
        group, text = self.tokens[self.at]
        following = self.tokens[self.at + 1 : self.at + 4]
        if group == "name" and text in REDUCTIONS and following[0][1] == "[" and following[2][1] == "<":
            return Reduce(self.name(), self.axes(), self.expr())
        return self.expr()

    def expr(self) -> Expr:
        if self.tokens[self.at][0] == "number":
            return self.number_constant(self.take("number"))
        name = self.name()
        if name in ("true", "false"):
            return Const(name == "true", "bool")
        if self.accept("["):
            return Load(name, tuple(self.items("]", self.expr)))
        if not self.accept("("):
            return AxisValue(name)
        if name == "size":
            size = self.size()
            self.expect(")")
            return SizeValue(size)
        return Call(name, tuple(self.items(")", self.expr)))

    def number_constant(self, text: str) -> Const:
        if self.accept(":"):
            return Const(float(text), self.dtype())
        whole = text.lstrip("-").isdigit()
        return Const(int(text) if whole else float(text), "i64" if whole else "f64")

    def param(self) -> object:
        group, text = self.tokens[self.at]
        self.at += 1
        if group == "string":
            return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        if text in ("true", "false"):
            return text == "true"
        if group != "number":
            raise self.fail("a parameter")
        return int(text) if text.lstrip("-").isdigit() else float(text)
