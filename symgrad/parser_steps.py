"""What reading gives and building takes, steps in postfix order, and what waits on the stack while reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .parser_tokens import Token


class Step(NamedTuple):
    """Takes `arity` values from the stack and puts one there: what `kind` says, with the facts in `payload`.

    Kinds: value, text, name, binary, unary, compare, conditional, call, method, index, slice, tuple, list."""

    kind: str
    payload: object
    arity: int
    start: int
    end: int


class Call(NamedTuple):
    """What is called, and the names of its last arguments if they have names; `start` and `end` are those of the called
    name."""

    name: str
    keywords: tuple[str, ...]
    start: int
    end: int


@dataclass(slots=True)
class Formula:
    """A formula's steps, and those of the names that its ``where`` tail defines, with the places of these names."""

    text: str
    steps: list[Step]
    definitions: dict[str, list[Step]] = field(default_factory=dict)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def parts(self) -> list[list[Step]]:
        """The formula's steps and those of each definition, in the order of the text."""
        return [self.steps, *self.definitions.values()]


@dataclass(slots=True)
class Operator:
    """Waits for its right operand; `names` are the operators of a chain of comparisons, of which others have one."""

    kind: str
    precedence: int
    names: list[str]
    token: Token


@dataclass(slots=True)
class Bracket:
    """Waits for its closing bracket: group, list, call, method or index."""

    kind: str
    token: Token
    start: int
    name: Token | None = None
    count: int = 0
    keywords: list[str] = field(default_factory=list)
    bounds: list[bool] | None = None
    """In a slice: which of its bounds are given so far."""
    fresh: bool = True
    comma: bool = False


__all__ = ["Bracket", "Call", "Formula", "Operator", "Step"]
