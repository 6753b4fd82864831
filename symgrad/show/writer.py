"""Writes terms without recursion, naming what is shared.

A renderer says how one term is written: pieces of text and of parts, each part with the binding strength that its
place needs.  A term is named when it is used more than once and naming it makes the whole shorter; since every other
shared term is short, the text of a graph with n nodes has O(n) characters however often its parts are shared.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .terms import Term

Piece = str | tuple[Term, int]
"""Text, or a part and the binding strength below which it needs parentheses."""

SHORTEST_NAMED = 8
LEAST_SAVING = 5
LETTERS = "stuvrqpzhc"


@dataclass(frozen=True, slots=True)
class Renderer:
    """One way of writing: the pieces of a term, the strength with which it binds, how parentheses look."""

    pieces: Callable[[Term], list[Piece]]
    strength: Callable[[Term], int]
    open: str = "("
    close: str = ")"
    name: Callable[[Term, str], str] = lambda t, name: name
    """How the name of a shared term looks."""


@dataclass(frozen=True, slots=True)
class Written:
    """The texts of the roots, and the (name, text) of the shared parts, each of which uses only earlier ones."""

    roots: list[str]
    shared: list[tuple[str, str]]


def in_postorder(roots: Iterable[Term]) -> list[Term]:
    """Every term below `roots`, parts first."""
    order: list[Term] = []
    seen: set[Term] = set()
    stack: list[tuple[Term, bool]] = [(t, False) for t in reversed(list(roots))]
    while stack:
        t, done = stack.pop()
        if done:
            order.append(t)
        elif t not in seen:
            seen.add(t)
            stack.append((t, True))
            stack += [(p, False) for p in reversed(t.parts) if p not in seen]
    return order


def write(
    roots: Sequence[Term], renderer: Renderer, taken: Iterable[str], named: Sequence[Term] | None = None
) -> Written:
    """The texts of `roots`; names of shared parts avoid `taken`.  `named` says which parts to name, not the rule."""
    pieces = {t: renderer.pieces(t) for t in in_postorder(roots)}
    shared = _worth_naming(roots, pieces, renderer) if named is None else named
    fresh = fresh_names(len(shared), set(taken))
    names = {t: renderer.name(t, name) for t, name in zip(shared, fresh, strict=True)}
    return Written(
        [_emit(t, pieces, renderer, names, top=t not in names) for t in roots],
        [(name, _emit(t, pieces, renderer, names, top=True)) for t, name in names.items()],
    )


def shared_terms(roots: Sequence[Term], renderer: Renderer) -> list[Term]:
    """The terms that `write` would name, parts first."""
    return _worth_naming(roots, {t: renderer.pieces(t) for t in in_postorder(roots)}, renderer)


def _worth_naming(roots: Sequence[Term], pieces: Mapping[Term, list[Piece]], renderer: Renderer) -> list[Term]:
    """The terms that are worth a name, parts first."""
    uses: dict[Term, int] = {}
    for t in (*roots, *(p[0] for ps in pieces.values() for p in ps if not isinstance(p, str))):
        uses[t] = uses.get(t, 0) + 1
    lengths: dict[Term, int] = {}
    found = []
    for t, ps in pieces.items():
        length = 0
        for p in ps:
            if isinstance(p, str):
                length += len(p)
            else:
                length += lengths[p[0]] + 2 * (renderer.strength(p[0]) < p[1])
        n = uses.get(t, 0)
        saving = n * (length - 1) - (length + 6)
        if n > 1 and length >= SHORTEST_NAMED and saving >= LEAST_SAVING and t.form not in ("literal", "list"):
            found.append(t)
            length = 1
        lengths[t] = length
    return found


def fresh_names(count: int, taken: set[str]) -> list[str]:
    """`count` names that are not in `taken`: single letters if they suffice, otherwise numbered."""
    letters = [c for c in LETTERS if c not in taken]
    if count <= len(letters):
        return letters[:count]
    names: list[str] = []
    k = 0
    while len(names) < count:
        k += 1
        if (name := f"s{k}") not in taken and not keyword.iskeyword(name):
            names.append(name)
    return names


def _emit(
    root: Term, pieces: Mapping[Term, list[Piece]], renderer: Renderer, names: Mapping[Term, str], *, top: bool
) -> str:
    out: list[str] = []
    stack: list[Piece] = [(root, 0)]
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            out.append(piece)
            continue
        t, needed = piece
        name = None if top else names.get(t)
        top = False
        if name is not None:
            out.append(name)
        elif renderer.strength(t) < needed:
            out.append(renderer.open)
            stack.append(renderer.close)
            stack += reversed(pieces[t])
        else:
            stack += reversed(pieces[t])
    return "".join(out)
