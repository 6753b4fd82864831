"""From large scalar formulas to tapes.

Each operation's row says its element (`Op.lower`); what it says depends on the operation, its parameters and its
constant operands alone, so it is asked once for each of these and repeated for all nodes that are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .compiler.index import Call, Const, Load
from .compiler.records import record
from .compiler.tape import ARITY, NONE, Opcode, Tape
from .compiler.types import ArrayType
from .expression import constant_value
from .graph import Node, postorder
from .indexing import Element, Operand
from .lowering import Literal
from .ops.leaves import CONSTANT
from .rewrite.terms import number_of

SHORTEST = 500
"""Formulas of fewer nodes are programs, whose instructions LLVM orders as a whole."""
Array = np.ndarray[Any, Any]
SCALAR = ArrayType("f64")


class _Unsuited(Exception):
    """The formula has what a tape cannot hold."""


def tape_of(roots: Sequence[Node], inputs: Sequence[Node]) -> Tape | None:
    """The tape that computes `roots` from the symbols `inputs`, None for short formulas and for those that hold
    anything else than numbers of f64 and truth values."""
    if any(x.type != SCALAR for x in (*roots, *inputs)):
        return None
    order = postorder(roots)
    if len(order) < SHORTEST:
        return None
    try:
        return _Builder(inputs).tape(order, roots)
    except _Unsuited:
        return None


@record(frozen=True, slots=True)
class _Step:
    """An instruction of a row: each operand is one of the node's (0, number), a step (1, number) or a number (2,
    constant)."""

    opcode: int
    operands: tuple[tuple[int, float], ...]


def _is_negative(x: Node) -> bool:
    """Whether `x` is -1 times something."""
    return x.op.name == "mul" and x.type == SCALAR and x.inputs[0].op is CONSTANT and number_of(x.inputs[0]) == -1


class _Builder:
    """Values are numbered while building: inputs from 0, constants downwards from -1, instructions from FIRST on."""

    FIRST = 2**24

    def __init__(self, inputs: Sequence[Node]) -> None:
        self.values: dict[Node, int] = {x: k for k, x in enumerate(inputs)}
        self.count = len(inputs)
        self.constants: dict[bytes, int] = {}
        self.table: dict[Opcode, int] = {}
        self.forms: dict[tuple[object, ...], tuple[_Step, ...]] = {}
        self.opcodes: list[int] = []
        self.operands: list[tuple[int, ...]] = []
        self.opposites: dict[Node, int] = {}

    def tape(self, order: Sequence[Node], roots: Sequence[Node]) -> Tape:
        for x in order:
            if x in self.values:
                continue
            if x.op.name == "constant":
                if x.type == SCALAR:
                    self.values[x] = self.constant(constant_value(x).item())
            elif not _is_negative(x):
                self.node(x)
        outputs = np.array([self.value(root) for root in roots], np.int64)
        operands = np.full((len(self.operands), ARITY), NONE, np.int64)
        for k in range(ARITY):
            rows = [(r, row[k]) for r, row in enumerate(self.operands) if len(row) > k]
            if rows:
                at, what = np.array(rows, np.int64).T
                operands[at, k] = self.numbered(what)
        constants = np.frombuffer(b"".join(self.constants), np.float64)
        table = tuple(self.table)
        return Tape(self.count, constants, table, np.array(self.opcodes, np.int64), operands, self.numbered(outputs))

    def numbered(self, values: Array) -> Array:
        """The numbers of a tape for those used while building."""
        first = self.count + len(self.constants)
        later = np.where(values >= self.FIRST, values - self.FIRST + first, values)
        return np.where(values < 0, self.count - 1 - values, later)

    def constant(self, value: float) -> int:
        return -1 - self.constants.setdefault(np.float64(value).tobytes(), len(self.constants))

    def value(self, x: Node) -> int:
        """The value of a node, of which negatives are computed only when something else than a sum reads them."""
        found = self.values.get(x)
        if found is None:
            found = self.values[x] = self.emit("neg", (self.opposite(x),))
        return found

    def opposite(self, x: Node) -> int:
        """The value of ``-x`` for a negative `x`."""
        if x not in self.opposites:
            first, *rest = [self.value(i) for i in x.inputs[1:]]
            for more in rest:
                first = self.emit("mul", (first, more))
            self.opposites[x] = first
        return self.opposites[x]

    def emit(self, name: str, operands: tuple[int, ...]) -> int:
        self.opcodes.append(self.table.setdefault(Opcode(name, ("f64",) * len(operands)), len(self.table)))
        self.operands.append(operands)
        return self.FIRST + len(self.opcodes) - 1

    def sum(self, x: Node) -> None:
        """A sum, with the negatives among its operands subtracted."""
        signed = [(self.opposite(i), True) if _is_negative(i) else (self.value(i), False) for i in x.inputs]
        signed.sort(key=lambda term: term[1])
        total, negative = signed[0]
        if negative:
            total = self.emit("neg", (total,))
        for term, negative in signed[1:]:
            total = self.emit("sub" if negative else "add", (total, term))
        self.values[x] = total

    def node(self, x: Node) -> None:
        if x.op.name == "add" and x.type == SCALAR:
            self.sum(x)
            return
        key = (x.op, x.params, *[(i if i.op.name == "constant" else i.type.dtype) for i in x.inputs])
        form = self.forms.get(key)
        if form is None:
            form = self.forms[key] = self.form(x)
        made: list[int] = []
        for step in form:
            row = []
            for kind, what in step.operands:
                if kind == 0:
                    row.append(self.value(x.inputs[int(what)]))
                elif kind == 1:
                    row.append(made[int(what)])
                else:
                    row.append(self.constant(what))
            made.append(self.FIRST + len(self.opcodes))
            self.opcodes.append(step.opcode)
            self.operands.append(tuple(row))
        self.values[x] = made[-1]

    def form(self, x: Node) -> tuple[_Step, ...]:
        """What the row of `x` says of its element, as instructions."""
        if x.op.lower is None or x.type.shape:
            raise _Unsuited
        operands = [
            Literal(str(k), i.type, Const(constant_value(i).item(), i.type.dtype)) if i.op.name == "constant"
            else Operand(str(k), i.type)
            for k, i in enumerate(x.inputs)
        ]  # fmt: skip
        if any(i.type.shape for i in x.inputs):
            raise _Unsuited
        found = x.op.lower(x, operands)
        if not isinstance(found, Element) or found.at is not None:
            raise _Unsuited
        return self.steps(found.value, [i.type.dtype for i in x.inputs])

    def steps(self, value: object, dtypes: Sequence[str]) -> tuple[_Step, ...]:
        """The instructions of an element; a fold of several operands is taken two by two."""
        steps: list[_Step] = []
        done: list[tuple[tuple[int, float], str]] = []
        pending: list[tuple[object, bool]] = [(value, False)]
        while pending:
            part, ready = pending.pop()
            if isinstance(part, Call) and not ready:
                pending.append((part, True))
                pending += [(arg, False) for arg in reversed(part.args)]
            elif isinstance(part, Call):
                args = done[len(done) - len(part.args) :]
                del done[len(done) - len(part.args) :]
                done.append(self.call(part.op, args, steps))
            elif isinstance(part, Load):
                done.append(((0, int(part.array)), dtypes[int(part.array)]))
            elif isinstance(part, Const) and part.dtype == "f64":
                done.append(((2, float(part.value)), "f64"))
            else:
                raise _Unsuited
        if done[0][0][0] != 1:
            raise _Unsuited
        return tuple(steps)

    def call(
        self, name: str, args: Sequence[tuple[tuple[int, float], str]], steps: list[_Step]
    ) -> tuple[tuple[int, float], str]:
        if name == "cast.f64" and args[0][1] == "f64":
            return args[0]
        fold = name in ("add", "mul", "and", "or")
        groups = [args] if not fold else [args[:2], *([a] for a in args[2:])]
        made: tuple[tuple[int, float], str] | None = None
        for group in groups:
            taken = group if made is None else [made, *group]
            op = Opcode(name, tuple(dtype for _, dtype in taken))
            if len(taken) > ARITY or not op.fits:
                raise _Unsuited
            steps.append(_Step(self.table.setdefault(op, len(self.table)), tuple(ref for ref, _ in taken)))
            made = (1, len(steps) - 1), op.result
        assert made is not None
        return made


__all__ = ["SHORTEST", "tape_of"]
