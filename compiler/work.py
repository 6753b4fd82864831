"""How much a program computes: what decides whether other threads shall run meanwhile, and how long to work on its
code."""

from __future__ import annotations

from collections.abc import Mapping

from .costs import is_function
from .dependences import types_defined
from .externs import NATIVE
from .index import Assign, Call, Expr, Extern, Load, Loop, Program, Reduce
from .outline import Work
from .types import ArrayType, Dim, evaluate, product

LONG = 50_000
"""Instructions on elements that take some 20 µs: handing the interpreter's lock over pays from there on."""

FUNCTION = 10
"""What a mathematical function counts."""


def work(program: Program) -> Work:
    """The instructions of `program`; a routine that is not written in loops counts the elements of what it works in
    (once for each row) if it has machine code, and nothing if it is called back."""
    found: list[tuple[Dim, int]] = []
    pending: list[tuple[Program, Dim]] = [(program, 1)]
    types: dict[str, ArrayType] = {}
    while pending:
        part, times = pending.pop()
        types.update(part.inputs)
        types.update(types_defined(part.statements))
        for statement in part.statements:
            match statement:
                case Assign(axes=axes, value=value):
                    reduced = value.axes if isinstance(value, Reduce) else ()
                    elements = product(tuple(axis.size for axis in (*axes, *reduced)))
                    found.append((times * elements, _instructions(value.body if isinstance(value, Reduce) else value)))
                case Loop(body=body, length=length):
                    pending.append((body, times * length))
                case Extern(function=function, inputs=inputs) if function in NATIVE:
                    shape = max((types[name].shape for name in inputs), key=len)
                    found.append((times * product(shape) * product(shape[-1:]), 2))
                case Extern():
                    pass
    return tuple(found)


def instructions(total: Work, sizes: Mapping[str, int]) -> int:
    """The number of instructions on elements for these sizes."""
    return sum(evaluate(elements, sizes) * count for elements, count in total)


def _instructions(value: Expr) -> int:
    count = 0
    pending: list[Expr] = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, Call):
            count += FUNCTION if is_function(part.op) else 1
            pending += part.args
        elif isinstance(part, Load):
            count += 1
            pending += part.index
    return max(1, count)


__all__ = ["LONG", "instructions", "work"]
