"""Records behave as the frozen dataclasses with slots that type checkers take them for."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from typing import Any

import pytest
from symgrad.compiler.records import record


@record(frozen=True, slots=True)
class Record:
    """A pair."""

    name: str
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, slots=True)
class Expected:
    """The same as the standard library makes it."""

    name: str
    sizes: tuple[int, ...] = (1, 2)


@record(frozen=True, slots=True, eq=False)
class Own:
    """One that is equal to itself alone."""

    name: str

    def __repr__(self) -> str:
        return self.name


@record(frozen=True, slots=True)
class Longer(Record):
    """One with a field more."""

    rank: int = 0


def shown(x: Any) -> list[Any]:
    """What the methods of a record say."""
    other = type(x)("b")
    return [
        repr(x).replace(type(x).__name__, ""), [f.name for f in fields(x)], replace(x, name="c").name, x == other,
        x == type(x)("a"), x == ("a", (1, 2)), hash(x) == hash(type(x)("a")), type(x).__match_args__,
        {x, type(x)("a")} == {x},
        copy.copy(x) == x, copy.deepcopy(x) == x, pickle.loads(pickle.dumps(x)) == x, type(x)(sizes=(), name="n").sizes,
    ]  # fmt: skip


def test_a_record_is_a_frozen_dataclass() -> None:
    assert shown(Record("a")) == shown(Expected("a"))
    assert Record("a") != Expected("a")
    assert Record.__doc__ == "A pair."


@pytest.mark.parametrize("kind", [Record, Expected])
def test_records_cannot_be_changed(kind: Any) -> None:
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        kind("a").name = "b"
    with pytest.raises((AttributeError, TypeError)):
        kind("a").other = 1
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        kind()


def test_records_without_equality_and_with_more_fields() -> None:
    a = Own("a")
    assert a == a and a != Own("a") and repr(a) == "a"
    assert Longer("a", (), 3) == replace(Longer("a"), sizes=(), rank=3)
    assert Longer("a") != Record("a")
    match Longer("a", rank=2):
        case Longer(name, _, rank):
            assert (name, rank) == ("a", 2)
