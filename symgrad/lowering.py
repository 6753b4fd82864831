"""From graph to compiler Program: one statement per node, no decisions.

Each operation's row says one element of its result (`Op.lower`), or gives a formula of simpler operations instead
(`Op.expand`).  Scalars without operands are written where they are used; constant arrays become further inputs of the
program, whose values the function keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .compiler.index import Assign, AxisValue, Call, Const, Extern, Load, Loop, Program, Reduce, SizeValue, Statement
from .compiler.index import Expr as Element_
from .compiler.records import record
from .compiler.types import ArrayType, names, product
from .errors import SymgradError
from .expression import Expr, constant_value
from .graph import Node, node, postorder
from .indexing import (
    Element,
    Operand,
    Repetition,
    Routine,
    Running,
    axes_of,
    integer,
    number,
    plus,
    position,
    times,
    values,
)  # fmt: skip
from .specialise import size_names


@record(frozen=True, slots=True)
class Lowered:
    """A program whose last inputs are `constants`; result number k of the graph is its output `positions[k]`."""

    program: Program
    constants: tuple[np.ndarray[Any, Any], ...]
    positions: tuple[int, ...]


@record(frozen=True, slots=True)
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
        statements += _statements(x, f"v{len(statements)}", [operands[i] for i in x.inputs], constants)
        operands[x] = _operand(statements[-1], x)
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


def _statements(x: Node, name: str, operands: Sequence[Operand], constants: dict[Node, Operand]) -> list[Statement]:
    """The statements of one node; the last one defines the array `name`."""
    if x.op.lower is None:
        raise SymgradError(f"{x.op.name}: cannot be compiled (it has neither an element nor a formula)")
    result = x.op.lower(x, operands)
    if isinstance(result, Routine):
        return [Extern(result.function, result.params, tuple(a.name for a in operands), ((name, x.type),))]
    if isinstance(result, Repetition):
        return _loop(result, x, name, operands, constants)
    if isinstance(result, Running):
        return _running(result, x, name, operands)
    assert isinstance(result, Element)
    value = result.value
    if isinstance(value, Reduce) and not value.axes:
        value = value.body
    return [Assign(name, x.type, result.axes, value, result.at, result.accumulate)]


def _loop(
    found: Repetition, x: Node, name: str, operands: Sequence[Operand], constants: dict[Node, Operand]
) -> list[Statement]:
    """A loop, and the array that packs what it leaves."""
    count, sliced = len(found.carries), len(found.slices)
    carries = [Operand(f"{name}.c{k}", c.type) for k, c in enumerate(found.carries)]
    slices = [Operand(f"{name}.s{k}", s.type) for k, s in enumerate(found.slices)]
    inner = dict(zip((*found.carries, *found.slices), (*carries, *slices), strict=True))
    inner.update(zip(found.outside, operands[count + sliced :], strict=True))
    given = set(inner)
    roots = expand([*found.next, *found.results, *([found.condition] if found.condition is not None else [])])
    statements: list[Statement] = []
    for y in postorder(roots):
        if y in inner:
            continue
        if y.op.name == "constant" and y.type.shape:
            inner[y] = constants.setdefault(y, Operand(f"c{len(constants)}", y.type))
            given.add(y)
            continue
        statements += _statements(y, f"{name}.v{len(statements)}", [inner[i] for i in y.inputs], constants)
        inner[y] = _operand(statements[-1], y)
    names = []
    for k, root in enumerate(roots):
        if root in given and not (k < count and inner[root] is carries[k]):
            statements.append(_copy(inner[root], f"{name}.v{len(statements)}"))
            names.append(f"{name}.v{len(statements) - 1}")
        else:
            names.append(inner[root].name)
    ends = [Operand(f"{name}.e{k}", c.type) for k, c in enumerate(found.carries)]
    stacks = [
        Operand(f"{name}.y{k}", ArrayType(r.type.dtype, (found.length, *r.type.shape)))
        for k, r in enumerate(found.results)
    ]
    body = Program(tuple((a.name, a.type) for a in (*carries, *slices)), _needed(statements, names), ())
    loop = Loop(
        body, found.length, tuple((c.name, a.name, e.name) for c, a, e in zip(carries, operands, ends, strict=False)),
        tuple(names[:count]), tuple((s.name, a.name) for s, a in zip(slices, operands[count:], strict=False)),
        tuple((n, a.name) for n, a in zip(names[count:], stacks, strict=False)), found.reverse,
        names[-1] if found.condition is not None else None,
    )  # fmt: skip
    return [loop, _packing([*ends, *stacks], x, name)]


def _running(found: Running, x: Node, name: str, operands: Sequence[Operand]) -> list[Statement]:
    """A loop along the last axis over arrays that have it first."""
    *others, last = axes_of(x.type.shape)
    batch, flat = tuple(a.size for a in others), not others
    statements: list[Statement] = []
    carries, inputs = [], []
    for k, start in enumerate(found.starts):
        carries.append(Operand(f"{name}.c{k}", ArrayType(start.dtype, batch if start.each else ())))
        axes = tuple(others) if start.each else ()
        statements.append(Assign(f"{name}.b{k}", carries[-1].type, axes, start.value))
    for k, a in enumerate(operands):
        inputs.append(Operand(f"{name}.s{k}", ArrayType(a.type.dtype, batch)))
        if not flat:
            type_ = ArrayType(a.type.dtype, (last.size, *batch))
            element = a.at(values([*others, last]))
            statements.append(Assign(f"{name}.x{k}", type_, (last, *others), element))
    arguments = (*carries, *inputs)
    index = values(others)
    read = [Load(a.name, tuple(index if a.type.shape else ())) for a in arguments]
    after = found.step(read[: len(carries)], read[len(carries) :])
    body = [
        Assign(f"{name}.n{k}", c.type, tuple(others) if c.type.shape else (), value)
        for k, (c, value) in enumerate(zip(carries, after, strict=True))
    ]
    result = name if flat else f"{name}.y"
    sources = [a.name if flat else f"{name}.x{k}" for k, a in enumerate(operands)]
    statements.append(Loop(
        Program(tuple((a.name, a.type) for a in arguments), tuple(body), ()), last.size,
        tuple((c.name, f"{name}.b{k}", f"{name}.e{k}") for k, c in enumerate(carries)), tuple(b.target for b in body),
        tuple((s.name, source) for s, source in zip(inputs, sources, strict=True)), ((body[0].target, result),),
        found.reverse,
    ))  # fmt: skip
    if not flat:
        load = Load(result, tuple(values([last, *others])))
        statements.append(Assign(name, x.type, (*others, last), load))
    return statements


def _packing(parts: Sequence[Operand], x: Node, name: str) -> Assign:
    """The elements of `parts` in row-major order, one array behind the other."""
    (axis,) = axes_of(x.type.shape)
    at = AxisValue(axis.name)
    value: Element_ = Const(0.0, x.type.dtype)
    end = x.type.shape[0]
    for part in reversed(parts):
        start = end - product(part.type.shape)
        load = Load(part.name, tuple(position(plus(at, times(integer(-1), number(start))), part.type.shape)))
        element: Element_ = load if part.type.dtype == x.type.dtype else Call(f"cast.{x.type.dtype}", (load,))
        inside = Call("and", (Call("ge", (at, number(start))), Call("lt", (at, number(end)))))
        value = Call("where", (inside, element, value))
        end = start
    return Assign(name, x.type, (axis,), value)


def _operand(statement: Statement, x: Node) -> Operand:
    if isinstance(statement, Assign):
        if not x.inputs and not x.type.shape and isinstance(statement.value, Const | SizeValue | Call):
            return Literal(statement.target, x.type, statement.value)
        return Operand(statement.target, x.type)
    if isinstance(statement, Loop):
        return Operand(statement.stacked[0][1], x.type)
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
        elif isinstance(statement, Extern):
            if any(name in wanted for name, _ in statement.targets):
                kept.append(statement)
                wanted.update(statement.inputs)
        elif any(
            name in wanted for name in (*(e for _, _, e in statement.carried), *(a for _, a in statement.stacked))
        ):
            kept.append(statement)
            wanted.update(_reads(statement))
    return tuple(reversed(kept))


def _reads(loop: Loop) -> Iterator[str]:
    """The arrays that a loop reads, among them its own."""
    pending = [loop]
    while pending:
        current = pending.pop()
        yield from (a for _, a, _ in current.carried)
        yield from (a for _, a in current.sliced)
        for statement in current.body.statements:
            if isinstance(statement, Assign):
                yield from _loads(statement)
            elif isinstance(statement, Extern):
                yield from statement.inputs
            else:
                pending.append(statement)


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
