"""Nested parameters: dicts, lists and tuples whose leaves are symbols, names, arrays or results.

A tree is walked in the order in which its keys were written; the order of another tree's keys does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .errors import ArgumentError

DEEPEST = 32
Tree = Any
"""A leaf, or a dict, list or tuple of trees."""


def is_tree(value: Any) -> bool:
    """Whether `value` is a branch: a dict, a list or a tuple."""
    return isinstance(value, dict | list | tuple)


def leaves(tree: Tree, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The leaves of `tree`, each with the text that picks it, such as ``['W1']``.  ArgumentError beyond DEEPEST
    levels."""
    if not is_tree(tree):
        yield path, tree
        return
    if depth == DEEPEST:
        raise ArgumentError(f"parameters nested more than {DEEPEST} deep")
    for key, branch in _items(tree):
        yield from leaves(branch, f"{path}[{key!r}]", depth + 1)


def matching(tree: Tree, value: Any, name: str) -> list[tuple[str, Any]]:
    """The parts of `value` that stand where `tree` has leaves, with their texts.  ArgumentError if its shape is
    another."""
    pending: list[tuple[Tree, Any, str]] = [(tree, value, name)]
    found: list[tuple[str, Any]] = []
    while pending:
        t, v, path = pending.pop()
        if not is_tree(t):
            found.append((path, v))
            continue
        if isinstance(t, dict) != isinstance(v, dict) or not is_tree(v):
            raise ArgumentError(f"{path}: expected {_described(t)}, got {type(v).__name__}")
        have = dict(_items(v))
        if have.keys() != dict(_items(t)).keys():
            raise ArgumentError(f"{path}: expected {_described(t)}, got {_described(v)}")
        pending += [(branch, have[key], f"{path}[{key!r}]") for key, branch in reversed(_items(t))]
    return found


def _items(tree: Tree) -> list[tuple[Any, Tree]]:
    return list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree))


def _described(tree: Tree) -> str:
    if isinstance(tree, dict):
        return f"a dict with {', '.join(map(repr, tree)) or 'no keys'}"
    return f"{'a list' if isinstance(tree, list) else 'a tuple'} of {len(tree)}"


def rebuilt(tree: Tree, values: Iterator[Any]) -> Any:
    """`tree` with its leaves replaced, in their order, by the next ones of `values`."""
    if isinstance(tree, dict):
        return {key: rebuilt(branch, values) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        branches = [rebuilt(branch, values) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)  # a named tuple, too
    return next(values)


def mapped(f: Callable[[Any], Any], tree: Tree) -> Any:
    """`tree` with `f` applied to its leaves."""
    return rebuilt(tree, iter([f(leaf) for _, leaf in leaves(tree)]))


def nested(outer: Tree, inner: Tree, values: Sequence[Any]) -> Any:
    """`outer` with a copy of `inner` at each leaf, filled with `values` row by row: the blocks of a Jacobian."""
    stream = iter(values)
    return mapped(lambda _: rebuilt(inner, stream), outer)


__all__ = ["Tree", "is_tree", "leaves", "mapped", "matching", "nested", "rebuilt"]
