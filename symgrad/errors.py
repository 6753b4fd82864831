"""Everything a user can catch: each class is also the built-in error that NumPy's users would expect.

An error carries its message and, once the text that the user wrote is known, the source and the span to point at.
Raising happens deep inside (a type rule knows nothing of text); the door that holds the text adds the place.
"""

from __future__ import annotations


class SymgradError(Exception):
    """Base class of all errors that symgrad raises for mistakes of its user.

    `source` is the formula as the user wrote it and `span` the pair (start, end) of the part at fault, or None."""

    def __init__(self, message: str, *, source: str | None = None, span: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.message, self.source, self.span = message, source, span

    def at(self, source: str, span: tuple[int, int]) -> SymgradError:
        """This error, pointing at `span` of `source` unless it already points somewhere."""
        if self.span is None:
            self.source, self.span = source, span
        return self

    def __str__(self) -> str:
        if self.source is None or self.span is None:
            return self.message
        return f"{self.message}\n{caret(self.source, self.span)}"


def caret(source: str, span: tuple[int, int], width: int = 96) -> str:
    """The line of `source` that holds `span`, indented, with carets under the span; long lines are cut around it."""
    start, end = max(0, min(span[0], len(source))), min(max(span), len(source))
    begin = source.rfind("\n", 0, start) + 1
    stop = source.find("\n", start)
    line = source[begin : stop if stop >= 0 else len(source)].expandtabs(1)
    first, last = start - begin, max(start + 1, min(end, begin + len(line))) - begin
    if len(line) > width:
        left = max(0, first - width // 3)
        piece = line[left : left + width]
        line = ("…" if left else "") + piece + ("…" if left + width < len(line) else "")
        shift = left - (1 if left else 0)
        first, last = first - shift, min(last - shift, len(line))
    shown = "".join(c if c.isprintable() else "?" for c in line)
    return f"    {shown}\n    {' ' * first}{'^' * max(1, last - first)}"


class ParseError(SymgradError, SyntaxError):
    """The text is not a formula: the message says what was expected."""

    def __str__(self) -> str:
        return SymgradError.__str__(self)


class ShapeError(SymgradError, ValueError):
    """Sizes that do not fit together."""


class DTypeError(SymgradError, TypeError):
    """Element types that an operation does not take (complex numbers, floats as indices, ...)."""


class NotDifferentiable(SymgradError, TypeError):
    """A derivative was asked for that does not exist or has no rule."""


class ArgumentError(SymgradError, TypeError, ValueError):
    """Values or names given to a function that do not fit its declaration."""


class DomainError(SymgradError, ValueError):
    """Numbers outside an operation's domain where no IEEE value can say so (an empty maximum, an index out of
    range)."""


class NotFinite(SymgradError, ArithmeticError):
    """A computation that cannot go on: a number that it needs became infinite or NaN."""


class OutOfMemory(SymgradError, MemoryError):
    """Arrays of a call that do not fit into memory, or that 64 bits cannot index."""
