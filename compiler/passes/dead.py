"""Drops statements whose results nobody reads, in the bodies of loops too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..dependences import all_reads, reads, targets
from ..index import Loop, Program, Statement


def drop_dead(program: Program) -> Program:
    """`program` without the statements, and the stacks of loops, that no output depends on."""
    return replace(program, statements=_kept(program.statements, set(program.outputs)))


def _kept(statements: Sequence[Statement], needed: set[str]) -> tuple[Statement, ...]:
    kept: list[Statement] = []
    for statement in reversed(statements):
        if not needed.isdisjoint(targets(statement)):
            trimmed = _trimmed(statement, needed) if isinstance(statement, Loop) else statement
            needed = needed | reads(trimmed)
            kept.append(trimmed)
    return tuple(reversed(kept))


def _trimmed(loop: Loop, needed: set[str]) -> Loop:
    """A loop without the stacks, slices and statements that it does not need; what it carries stays."""
    stacked = tuple(pair for pair in loop.stacked if pair[1] in needed)
    wanted = {*loop.next, *(name for name, _ in stacked)} | ({loop.condition} if loop.condition else set())
    statements = _kept(loop.body.statements, wanted)
    used = all_reads(statements) | wanted
    sliced = tuple(pair for pair in loop.sliced if pair[0] in used)
    names = {name for name, _, _ in loop.carried} | {name for name, _ in sliced}
    inputs = tuple(pair for pair in loop.body.inputs if pair[0] in names)
    return replace(loop, body=replace(loop.body, statements=statements, inputs=inputs), sliced=sliced, stacked=stacked)
