"""From graph to compiler Program: one statement per node, no decisions.

Each operation's row says one element of its result (`Op.lower`), or gives a formula of simpler operations instead
(`Op.expand`).  Scalars without operands are written where they are used; constant arrays become further inputs of the
program, whose values the function keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compiler.index import Assign, Call, Const, Extern, Load, Program, Reduce, SizeValue, Statement
from .compiler.index import Expr as Element_
from .compiler.types import ArrayType, names
from .errors import SymgradError
from .expression import Expr, constant_value
from .graph import Node, node, postorder
from .indexing import Element, Operand, Routine, axes_of, values
from .specialise import size_names


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program whose last inputs are `constants`; result number k of the graph is its output `positions[k]`."""

    program: Program
    constants: tuple[np.ndarray[Any, Any], ...]
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Literal(Operand):
    """A scalar that is written where it is read; its statement stays only if a row reads it by name."""

    value: Element_

    def at(self, index: Sequence[Element_]) -> Element_:
        """The scalar itself."""
        return self.value


def expand(roots: Sequence[Node]) -> list[Node]:
    """`roots` with every operation that has no element of its own replaced by its formula of simpler ones."""
    found = list(roots)
    while any(x.op.lower is None and x.op.expand is not None for x in postorder(found)):
        new: dict[Node, Node] = {}
        for x in postorder(found):
            inputs = tuple(new[i] for i in x.inputs)
            same = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
            y = x if same else node(x.op, inputs, x.params)
            if x.op.lower is None and x.op.expand is not None:
                y = x.op.expand(Expr(y), *map(Expr, inputs)).node
            new[x] = y
        found = [new[root] for root in found]
    return found


def lower(roots: Sequence[Node], inputs: Sequence[Node]) -> Lowered:
    """The program that computes `roots` from the symbols `inputs`, in their order."""
    operands: dict[Node, Operand] = {x: Operand(f"x{k}", x.type) for k, x in enumerate(inputs)}
    constants: dict[Node, Operand] = {}
    statements: list[Statement] = []
    for x in postorder(roots):
        if x in operands:
            continue
        if x.op.name == "constant" and x.type.shape:
            operands[x] = constants[x] = Operand(f"c{len(constants)}", x.type)
            continue
        statement = _statement(x, f"v{len(statements)}", [operands[i] for i in x.inputs])
        statements.append(statement)
        operands[x] = _operand(statement, x)
    given = {operand.name for x, operand in operands.items() if x in constants or x.op.name == "symbol"}
    outputs = []
    for root in dict.fromkeys(roots):
        name = operands[root].name
        if name in given:
            # A result is never the array that the caller gave.
            statements.append(_copy(operands[root], f"v{len(statements)}"))
            name = f"v{len(statements) - 1}"
        outputs.append(name)
    position = {root: k for k, root in enumerate(dict.fromkeys(roots))}
    parameters = [(operands[x].name, x.type) for x in (*inputs, *constants)]
    shown = {n for _, type_ in parameters for size in type_.shape for n in names(size)}
    told = tuple(n for n in size_names(roots) if n not in shown)
    program = Program(tuple(parameters), _needed(statements, outputs), tuple(outputs), told)
    return Lowered(program, tuple(map(constant_value, constants)), tuple(position[root] for root in roots))


def _statement(x: Node, name: str, operands: Sequence[Operand]) -> Statement:
    if x.op.lower is None:
        raise SymgradError(f"{x.op.name}: cannot be compiled (it has neither an element nor a formula)")
    result = x.op.lower(x, operands)
    if isinstance(result, Routine):
        return Extern(result.function, result.params, tuple(a.name for a in operands), ((name, x.type),))
    assert isinstance(result, Element)
    value = result.value
    if isinstance(value, Reduce) and not value.axes:
        value = value.body
    return Assign(name, x.type, result.axes, value, result.at, result.accumulate)


def _operand(statement: Statement, x: Node) -> Operand:
    if isinstance(statement, Assign):
        if not x.inputs and not x.type.shape and isinstance(statement.value, Const | SizeValue | Call):
            return Literal(statement.target, x.type, statement.value)
        return Operand(statement.target, x.type)
    assert isinstance(statement, Extern)
    return Operand(statement.targets[0][0], x.type)


def _copy(a: Operand, name: str) -> Assign:
    axes = axes_of(a.type.shape)
    return Assign(name, ArrayType(a.type.dtype, a.type.shape), axes, Load(a.name, tuple(values(axes))))


def _needed(statements: Sequence[Statement], outputs: Sequence[str]) -> tuple[Statement, ...]:
    """The statements that the outputs depend on (an identity in a product is a condition and is never read)."""
    wanted = set(outputs)
    kept: list[Statement] = []
    for statement in reversed(statements):
        if isinstance(statement, Assign):
            if statement.target in wanted:
                kept.append(statement)
                wanted.update(_loads(statement))
        elif isinstance(statement, Extern) and any(name in wanted for name, _ in statement.targets):
            kept.append(statement)
            wanted.update(statement.inputs)
    return tuple(reversed(kept))


def _loads(statement: Assign) -> Iterator[str]:
    """The arrays that a statement reads."""
    value = statement.value
    pending: list[Element_] = [value.body if isinstance(value, Reduce) else value, *(statement.at or ())]
    while pending:
        match pending.pop():
            case Load(array, index):
                yield array
                pending.extend(index)
            case Call(_, args):
                pending.extend(args)


__all__ = ["Lowered", "expand", "lower"]
