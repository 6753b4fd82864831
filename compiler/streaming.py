"""Which long axis is cut into tiles, and which statements run in the same pass over it.

Statements that carry the streamed axis run tile by tile; what they pass to one another in the same iteration exists
only for the length of a tile.  A statement that needs a finished reduction over the axis, or other elements than its
own, waits for the next stage; statements without the axis run between the passes.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from .alignment import all_axes, body_of, loads
from .costs import instructions, is_dear
from .index import Assign, AxisValue, Load, Reduce
from .passes.numbering import renamed_assign
from .records import record
from .types import ArrayType, Dim, Size, evaluate, names

TYPICAL, LONG = 100, 10_000
TILE, TILE_OF_PRODUCTS = 32, 256
"""Least rows of a tile: matrix products lose less by leaving the cache than by being thin."""

CHEAP = 6
"""Instructions that cost less than writing a number to memory and reading it again."""


@record(frozen=True, slots=True)
class Stage:
    """What runs before a pass over the streamed axis, and the pass itself."""

    before: list[Assign]
    streamed: list[Assign]


def streamed_axis(
    statements: Sequence[Assign],
    unrolled: frozenset[str],
    arrays: Mapping[str, ArrayType],
    hint: Mapping[str, int],
    needed: Container[str],
) -> str | None:
    """The loop that leaves the least to move to and from memory if it is long; sizes of which `hint` says nothing
    count as 100 then, and its own as 10 000.  `needed` are the targets that are read afterwards.
    """
    candidates: dict[str, Dim] = {}
    for statement in statements:
        sizes = {axis.name: axis.size for axis in all_axes(statement)}
        own = Load(statement.target, tuple(AxisValue(axis.name) for axis in statement.axes))
        for load in (own, *loads(statement)) if statement.at is None else loads(statement):
            for part, size in zip(load.index, arrays[load.array].shape, strict=True):
                if isinstance(part, AxisValue) and sizes.get(part.name) == size and isinstance(size, Size):
                    candidates[part.name] = size
    return min(
        (axis for axis in candidates if axis not in unrolled),
        default=None,
        key=lambda axis: _traffic(
            statements, axis, arrays, {**dict.fromkeys(names(candidates[axis]), LONG), **hint}, needed
        ),
    )


def _traffic(
    statements: Sequence[Assign],
    axis: str,
    arrays: Mapping[str, ArrayType],
    likely: Mapping[str, int],
    needed: Container[str],
) -> float:
    """The elements that cross the memory bus when `axis` is streamed: every pass reads its arrays again."""
    found, whole = stages(statements, axis)
    total = 0.0
    for stage in found:
        made = {s.target for s in stage.streamed if position(s, axis) is not None and s.target not in whole}
        used = {load.array for s in stage.streamed for load in loads(s)} | {s.target for s in stage.streamed}
        total += sum(_elements(arrays[name], likely) for name in used if name not in made or name in needed)
        for statement in stage.before:
            around = {statement.target, *(load.array for load in loads(statement))}
            total += sum(_elements(arrays[name], likely) for name in around)
    return total


def _elements(type_: ArrayType, likely: Mapping[str, int]) -> float:
    total = 1.0
    for size in type_.shape:
        total *= max(1, evaluate(size, {name: likely.get(name, TYPICAL) for name in names(size)}))
    return total


def carries(statement: Assign, axis: str) -> bool:
    """Whether a pass over `axis` can run the statement tile by tile; a scatter must combine what it writes."""
    return any(own.name == axis for own in all_axes(statement)) and (
        statement.at is None or statement.accumulate is not None
    )


def position(statement: Assign, axis: str) -> int | None:
    """Which axis of the target the streamed one is; None if it is reduced (or scattered)."""
    if statement.at is not None:
        return None
    return next((k for k, own in enumerate(statement.axes) if own.name == axis), None)


def collects(statement: Assign) -> str | None:
    """The operation that combines what the tiles give to a statement whose target does not keep the streamed axis."""
    return (
        statement.accumulate
        if statement.at is not None
        else statement.value.op
        if isinstance(statement.value, Reduce)
        else None
    )


def stages(statements: Sequence[Assign], axis: str) -> tuple[list[Stage], frozenset[str]]:
    """The passes over `axis`, and the targets along it that are needed whole, beyond their pass."""
    makers = {statement.target: statement for statement in statements}
    when: dict[str, int] = {}
    whole: set[str] = set()
    for statement in statements:
        stage = 0
        streamed = carries(statement, axis)
        for load in loads(statement):
            maker = makers.get(load.array)
            if maker is None or maker.target not in when:
                continue
            if not carries(maker, axis):
                stage = max(stage, when[maker.target])
                continue
            at = position(maker, axis)
            if at is not None and streamed and load.index[at] == AxisValue(axis):
                stage = max(stage, when[maker.target])
            else:
                stage = max(stage, when[maker.target] + 1)
                if at is not None:
                    whole.add(maker.target)
        when[statement.target] = stage
    _delay(statements, axis, when)
    for statement in statements:
        for load in loads(statement):
            maker = makers.get(load.array)
            if maker is not None and position(maker, axis) is not None and when[maker.target] < when[statement.target]:
                whole.add(maker.target)
    found = [Stage([], []) for _ in range(max(when.values(), default=-1) + 1)]
    for statement in statements:
        stage_of = found[when[statement.target]]
        (stage_of.streamed if carries(statement, axis) else stage_of.before).append(statement)
    return found, frozenset(whole)


def _delay(statements: Sequence[Assign], axis: str, when: dict[str, int]) -> None:
    """Moves what depends on inputs alone to the first stage that reads it, where its reader may use it from a register.

    What reads temporaries stays, since these would have to live longer; scalars may.  Of what a pass over the axis
    computes, elements may that are read later only.
    """
    large = {s.target for s in statements if s.type.shape}
    makers = {s.target: s for s in statements}
    movable: set[str] = set()
    readers: dict[str, int] = {}
    for statement in statements:
        kept = {load.array for load in loads(statement)} & large - movable
        if not kept and (not carries(statement, axis) or is_elementwise(statement)):
            movable.add(statement.target)
    last = max(when.values(), default=0)
    for statement in reversed(statements):
        if statement.target in movable:
            unread = when[statement.target] if carries(statement, axis) else last
            when[statement.target] = max(when[statement.target], readers.get(statement.target, unread))
        for load in loads(statement):
            at = position(makers[load.array], axis) if load.array in makers else None
            waits = at is not None and not (carries(statement, axis) and load.index[at] == AxisValue(axis))
            readers[load.array] = min(readers.get(load.array, last), when[statement.target] - waits)


def is_elementwise(statement: Assign) -> bool:
    """Whether a statement computes every element of its target from elements, without sums and scatters."""
    return statement.at is None and not isinstance(statement.value, Reduce)


def recomputed(statements: Sequence[Assign], axis: str, needed: Container[str]) -> list[Assign]:
    """`statements` with what is cheap to compute from inputs computed again in each pass over `axis` that reads it,
    where it would have to be kept at full length otherwise."""
    found = enumerate(stages(statements, axis)[0])
    when = {s.target: k for k, stage in found for s in (*stage.before, *stage.streamed)}
    cheap = _cheap(statements, axis)
    result = list(statements)
    for at in reversed(range(len(statements))):
        name = statements[at].target
        if name not in cheap or name in needed:
            continue
        later: dict[int, str] = {}
        for k, reader in enumerate(result):
            stage = when[reader.target]
            if stage > when[name] and any(load.array == name for load in loads(reader)):
                again = later.setdefault(stage, f"{name}.again{len(later) + 1}")
                result[k] = renamed_assign(reader, {name: again})
        when.update((again, stage) for stage, again in later.items())
        result[at + 1 : at + 1] = [replace(result[at], target=again) for again in later.values()]
    return result


def _cheap(statements: Sequence[Assign], axis: str) -> dict[str, int]:
    """The elements along `axis` that a few instructions compute from at most two long arrays that are there anyway,
    and how many."""
    makers: dict[str, Assign] = {}
    cheap: dict[str, int] = {}
    sources: dict[str, frozenset[str]] = {}
    for statement in statements:
        name, count, read = statement.target, instructions(body_of(statement)), frozenset[str]()
        possible = is_elementwise(statement) and carries(statement, axis) and not is_dear(body_of(statement))
        for load in loads(statement):
            maker = makers.get(load.array)
            if load.array in cheap:
                count, read = count + cheap[load.array], read | sources[load.array]
            elif maker is None and AxisValue(axis) in load.index:
                read |= {load.array}
            else:
                possible = possible and (maker is None or position(maker, axis) is None)
        if possible and count <= CHEAP and len(read) <= 2:
            cheap[name], sources[name] = count, read
        makers[name] = statement
    return cheap


def in_place(
    found: Sequence[Stage], axis: str, needed: Container[str], placed: Container[str]
) -> list[tuple[str, str]]:
    """Results of a pass over `axis` that can stand where a needed result is written: pairs of both names.

    What is read for the last time on the way to that result, each element on the way to the same one, may be
    overwritten by it."""
    parts = [part for stage in found for part in (stage.before, stage.streamed)]
    when = {statement.target: k for k, part in enumerate(parts) for statement in part}
    makers = {statement.target: statement for part in parts for statement in part}
    readers: dict[str, list[Assign]] = {}
    for statement in makers.values():
        for name in dict.fromkeys(load.array for load in loads(statement)):
            readers.setdefault(name, []).append(statement)
    pairs: dict[str, str] = {}
    for user in makers.values():
        if user.target not in needed or user.target in placed or user.at is not None or isinstance(user.value, Reduce):
            continue
        own, now = tuple(AxisValue(each.name) for each in user.axes), when[user.target]
        behind = _computed_for(user, makers, when)
        for name in dict.fromkeys(load.array for target in behind for load in loads(makers[target])):
            if name not in makers or name in needed or name in placed or name in pairs:
                continue
            maker, late = makers[name], [r for r in readers[name] if when[r.target] >= now]
            read = {load.index for reader in late for load in loads(reader) if load.array == name}
            plain = maker.type == user.type and carries(maker, axis) and when[name] < now
            if plain and read == {own} and all(reader.target in behind for reader in late):
                pairs[name] = user.target
                break
    return list(pairs.items())


def _computed_for(user: Assign, makers: Mapping[str, Assign], when: Mapping[str, int]) -> dict[str, None]:
    """The targets of the same part of a stage that `user` depends on, and its own."""
    found, pending = {user.target: None}, [user]
    while pending:
        for load in loads(pending.pop()):
            if when.get(load.array) == when[user.target] and load.array not in found:
                found[load.array] = None
                pending.append(makers[load.array])
    return found
