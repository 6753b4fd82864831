"""What may be known of symbols: the words that callers use, and what each of them says.

A property is declared with the symbol, ``scalar("x", positive=True)``, comes with a symbol of SymPy, or is said to
`simplify` alone.  Only `simplify` and `same` use it: what is computed never depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .compiler.types import ArrayType
from .errors import ArgumentError

PROPERTIES: dict[str, frozenset[str]] = {
    "positive": frozenset({"positive", "not negative", "not zero"}), "nonnegative": frozenset({"not negative"}),
    "negative": frozenset({"negative", "not zero"}), "nonzero": frozenset({"not zero"}),
    "real": frozenset({"finite"}), "finite": frozenset({"finite"}), "integer": frozenset({"integer", "finite"}),
    "symmetric": frozenset({"symmetric"}), "invertible": frozenset({"invertible"}),
    "positive definite": frozenset({"symmetric", "invertible"}),
}  # fmt: skip
OF_MATRICES = frozenset({"symmetric", "invertible", "positive definite"})


def check_property(what: str, name: str, type_: ArrayType, word: str) -> None:
    """Raises ArgumentError if a symbol of this type cannot have the property `word`."""
    if word not in PROPERTIES:
        raise ArgumentError(f"{what}: {name} cannot be {word!r}; use {', '.join(PROPERTIES)}")
    shape = type_.shape
    if word in OF_MATRICES and (len(shape) != 2 or shape[0] != shape[1]):
        raise ArgumentError(f"{what}: {name} is {type_} and cannot be {word}: that is for square matrices")


def declared_properties(name: str, type_: ArrayType, said: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of keywords such as ``positive=True, positive_definite=True``, sorted.  Raises ArgumentError."""
    words = {keyword.replace("_", " "): value for keyword, value in said.items()}
    for word, value in words.items():
        check_property("symbol", name, type_, word)
        if not isinstance(value, bool):
            raise ArgumentError(f"symbol: {word} of {name} is True or False, got {value!r}")
    return tuple(sorted(word for word, value in words.items() if value))


__all__ = ["OF_MATRICES", "PROPERTIES", "check_property", "declared_properties"]
