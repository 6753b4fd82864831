"""Drops statements whose results nobody reads."""

from __future__ import annotations

from dataclasses import replace

from ..dependences import reads, targets
from ..index import Program, Statement


def drop_dead(program: Program) -> Program:
    """`program` without the statements that no output depends on."""
    needed = set(program.outputs)
    kept: list[Statement] = []
    for statement in reversed(program.statements):
        if not needed.isdisjoint(targets(statement)):
            needed |= reads(statement)
            kept.append(statement)
    return replace(program, statements=tuple(reversed(kept)))
