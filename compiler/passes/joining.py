"""Loops that do the same are one loop, and what one loop has computed another reads.

- Two loops of equal length and direction, the second of which needs nothing of what comes after the first, are joined
  if they have values in common: a value and the values that its derivative needs again come from one sweep.
- A loop that would compute again what an earlier one computes in the same step (a reverse sweep) reads it from memory
  where computing is dear: vector mathematics and divisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..costs import is_dear
from ..dependences import reads, targets
from ..index import Assign, Loop, Program, Reduce, Statement
from .numbering import all_names, matches, renamed


def join_loops(program: Program) -> Program:
    """`program` with loops joined, in the bodies of loops too."""
    statements, names = _joined(program.statements)
    outputs = tuple(names.get(name, name) for name in program.outputs)
    return replace(program, statements=statements, outputs=outputs)


def _joined(statements: Sequence[Statement]) -> tuple[tuple[Statement, ...], dict[str, str]]:
    result: list[Statement] = []
    names: dict[str, str] = {}
    for statement in statements:
        statement = renamed(statement, names)
        if isinstance(statement, Loop):
            statement = _inside(statement)
            found = _partner(statement, result)
            if found is not None:
                k, both, ends = found
                result[k] = both
                names |= ends
                continue
            statement = _stored(statement, result)
        result.append(statement)
    return tuple(result), names


def _inside(loop: Loop) -> Loop:
    """`loop` with the loops in its body joined."""
    statements, names = _joined(loop.body.statements)
    return replace(
        loop,
        body=replace(loop.body, statements=statements),
        next=tuple(names.get(name, name) for name in loop.next),
        stacked=tuple((names.get(name, name), array) for name, array in loop.stacked),
        condition=None if loop.condition is None else names.get(loop.condition, loop.condition),
    )


def _partner(loop: Loop, before: Sequence[Statement]) -> tuple[int, Loop, dict[str, str]] | None:
    """The number of the loop that `loop` can join, both as one, and the names of equal results."""
    needed = reads(loop)
    for k in reversed(range(len(before))):
        other = before[k]
        if not needed.isdisjoint(targets(other)):
            return None
        if isinstance(other, Loop) and _alike(other, loop) and other.reverse == loop.reverse:
            found = _both(other, loop)
            if found is not None:
                return k, *found
    return None


def _alike(first: Loop, second: Loop) -> bool:
    if first.condition is not None or second.condition is not None or first.length != second.length:
        return False
    own = [all_names(x.body.statements) | {name for name, _ in x.body.inputs} for x in (first, second)]
    return own[0].isdisjoint(own[1])


def _both(first: Loop, second: Loop) -> tuple[Loop, dict[str, str]] | None:
    """Carried values that start alike are equal if, supposing that they are, they go on alike."""
    slices = {array: name for name, array in first.sliced}
    equal_slices = {name: slices[array] for name, array in second.sliced if array in slices}
    starts = {start: (name, after) for (name, start, _), after in zip(first.carried, first.next, strict=True)}
    supposed = {name: starts[start] for name, start, _ in second.carried if start in starts}
    after = {name: n for (name, _, _), n in zip(second.carried, second.next, strict=True)}
    while True:
        equal = equal_slices | {name: same for name, (same, _) in supposed.items()}
        equal = matches(second.body.statements, first.body.statements, equal)
        kept = {name: pair for name, pair in supposed.items() if equal.get(after[name], after[name]) == pair[1]}
        if len(kept) == len(supposed):
            break
        supposed = kept
    if not any(s.target in equal for s in second.body.statements if isinstance(s, Assign)):
        return None
    ends = {name: end for name, _, end in first.carried}
    gone = {end: ends[equal[name]] for name, _, end in second.carried if name in supposed}
    rest = [
        (carry, equal.get(n, n)) for carry, n in zip(second.carried, second.next, strict=True) if carry[0] not in equal
    ]
    new = tuple(renamed(s, equal) for s in second.body.statements if equal.keys().isdisjoint(targets(s)))
    carried = first.carried + tuple(carry for carry, _ in rest)
    sliced = first.sliced + tuple(pair for pair in second.sliced if pair[0] not in equal)
    types = dict(first.body.inputs + second.body.inputs)
    inputs = tuple((name, types[name]) for name, *_ in (*carried, *sliced))
    both = replace(
        first,
        body=replace(first.body, inputs=inputs, statements=first.body.statements + new),
        carried=carried,
        next=first.next + tuple(n for _, n in rest),
        sliced=sliced,
        stacked=first.stacked + tuple((equal.get(name, name), array) for name, array in second.stacked),
    )
    return both, gone


def _stored(loop: Loop, before: list[Statement]) -> Loop:
    """`loop` reading what is dear to compute and was computed in the same step by a loop in `before`."""
    for k in reversed(range(len(before))):
        other = before[k]
        if isinstance(other, Loop) and _alike(other, loop):
            loop, before[k] = _reading(loop, other)
    return loop


def _reading(loop: Loop, source: Loop) -> tuple[Loop, Loop]:
    inside = {array: name for name, array in source.stacked} | {array: name for name, array in source.sliced}
    equal = {name: inside[array] for name, array in loop.sliced if array in inside}
    if not equal:
        return loop, source
    found = matches(loop.body.statements, source.body.statements, equal)
    wanted = set(loop.next) | {name for name, _ in loop.stacked}
    kept: list[Statement] = []
    read: dict[str, str] = {}
    for statement in reversed(loop.body.statements):
        if isinstance(statement, Assign) and statement.target in found and _is_dear(statement):
            if statement.target in wanted:
                read[statement.target] = found[statement.target]
            continue
        kept.append(statement)
        if not wanted.isdisjoint(targets(statement)):
            wanted |= reads(statement)
    if not read:
        return loop, source
    types = {s.target: s.type for s in loop.body.statements if isinstance(s, Assign)}
    arrays = {name: f"{name}.kept" for name in read}
    body = replace(
        loop.body,
        inputs=loop.body.inputs + tuple((name, types[name]) for name in read),
        statements=tuple(reversed(kept)),
    )
    stacked = source.stacked + tuple((same, arrays[name]) for name, same in read.items())
    return replace(loop, body=body, sliced=loop.sliced + tuple(arrays.items())), replace(source, stacked=stacked)


def _is_dear(statement: Assign) -> bool:
    value = statement.value
    return statement.at is None and is_dear(value.body if isinstance(value, Reduce) else value)
