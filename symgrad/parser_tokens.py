"""Formula text to tokens, with every character accounted for.

Text comes from strangers: lengths are limited first, look-alike and invisible characters are named instead of read, and
one regular expression without backtracking reads each token, so that the time is linear in the length.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import NamedTuple

from .errors import ParseError

LONGEST_TEXT = 1_000_000
LONGEST_NUMBER = 320
LONGEST_NAME = 200
DEEPEST = 5000
"""How many brackets and operators may wait for their end."""

WORDS = frozenset({"if", "else", "and", "or", "not"})
"""Python's reserved words that formulas use."""
LITERALS = {"None": None, "True": True, "False": False}


class Token(NamedTuple):
    """A piece of the text: kind is number, name, word, operator, text or end; `value` is a number's value or a text's
    content."""

    kind: str
    text: str
    start: int
    value: object = None

    @property
    def end(self) -> int:
        """Where the next token may begin."""
        return self.start + len(self.text)


_DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}
_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r"(?P<name>[^\W\d]\w*)"
    r"|(?P<number>(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?)"
    r"|(?P<operator>\*\*|//|==|!=|<=|>=|\.\.\.|<<|>>|&&|\|\||:=|->|[-+*/%@^<>=&|~()\[\],:.'])"
    r'|(?P<text>"[^"\n]*")'
)
_SPELLINGS = {
    "write *": "×·⋅∗⊙", "write /": "÷⁄∕", "write -": "−–—", "write <=": "≤", "write >=": "≥", "write !=": "≠",
    "write ' for the transpose": "′’ᵀ⊤", "write '": "‘", 'write "': "“”", "write sqrt( )": "√", "write sum( )": "∑",
    "write prod( )": "∏", "write inf": "∞", "ask for .grad": "∂", "write array([ … ]) for an array": "{}",
    "write != or not": "!", "a formula has no comments": "#", "a formula is one expression": ";",
    "lines need no continuation mark": "\\",
}  # fmt: skip
_INSTEAD = {c: hint for hint, characters in _SPELLINGS.items() for c in characters} | {
    "<<": "shifts are not operations on numbers",
    ">>": "shifts are not operations on numbers",
    "&&": "write & or and",
    "||": "write | or or",
    ":=": "write `… where name = …` at the end of the formula",
    "->": "-> stands only inside the text of einsum",
}
# Letters of other alphabets that look like Latin ones: two names of a formula must not differ in these alone.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһАВЕКМНОРСТУХІЈЅοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeopcyxijsdhABEKMHOPCTYXIJSoABEZHIKMNOPTYX")


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, ending with one of kind "end".  Raises ParseError for what cannot be part of a formula."""
    if len(text) > LONGEST_TEXT:
        raise ParseError(f"the formula has {len(text)} characters; at most {LONGEST_TEXT} are read")
    tokens: list[Token] = []
    at = _space(text, 0)
    depth = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _strange(text, at)
        token = _token(text, match.lastgroup or "", match.group(), at, tokens)
        tokens.append(token)
        depth += _DEPTH.get(token.text, 0)
        if depth > DEEPEST:
            raise ParseError(f"nested more than {DEEPEST} deep", source=text, span=(token.start, token.end))
        at = _space(text, token.end)
    tokens.append(Token("end", "", len(text.rstrip(" \t\r\n"))))
    if not text.isascii():
        _check_lookalikes(text, tokens)
    return tokens


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _token(text: str, kind: str, piece: str, at: int, before: list[Token]) -> Token:
    if kind == "name":
        return _name(text, piece, at)
    if kind == "number":
        return Token(kind, piece, at, _number(text, piece, at))
    if kind == "text":
        return Token(kind, piece, at, piece[1:-1])
    if piece == "'" and not (before and ends_value(before[-1])):
        stop = text.find("'", at + 1)
        if stop < 0 or "\n" in text[at:stop]:
            raise ParseError(
                "' transposes what stands before it, and nothing stands there", source=text, span=(at, at + 1)
            )
        return Token("text", text[at : stop + 1], at, text[at + 1 : stop])
    if piece in _INSTEAD:
        raise ParseError(
            f"{piece} is not an operator of formulas: {_INSTEAD[piece]}", source=text, span=(at, at + len(piece))
        )
    return Token(kind, piece, at)


def ends_value(token: Token) -> bool:
    """Whether a value may end with `token`, so that an operator follows."""
    return token.kind in ("number", "name", "text") or token.text in (")", "]", "'")


def _name(text: str, piece: str, at: int) -> Token:
    span = at, at + len(piece)
    if not piece.isascii():
        _check_letters(text, piece, at)
    if len(piece) > LONGEST_NAME:
        raise ParseError(f"a name of {len(piece)} letters; at most {LONGEST_NAME} are read", source=text, span=span)
    if piece in WORDS:
        return Token("word", piece, at)
    if keyword.iskeyword(piece) and piece not in LITERALS:
        raise ParseError(
            f"{piece} is a reserved word and cannot be used in a formula (write {piece}_ for a variable)",
            source=text,
            span=span,
        )
    return Token("name", piece, at)


def _number(text: str, piece: str, at: int) -> int | float:
    """The value of a literal: an exact integer, or the nearest float."""
    end = at + len(piece)
    span = at, end
    follower = text[end : end + 1]
    digits = piece[:12] + ("…" if len(piece) > 12 else "")
    if follower in ("j", "J") and not _continues(text, end + 1):
        raise ParseError(
            "complex numbers are not supported; symgrad computes with real numbers", source=text, span=(at, end + 1)
        )
    if piece == "0" and follower in ("x", "X", "b", "B", "o", "O") and _continues(text, end + 1):
        raise ParseError("numbers are written in decimal", source=text, span=(at, end + 1))
    if len(piece) > LONGEST_NUMBER:
        raise ParseError(f"a number of {len(piece)} digits; at most {LONGEST_NUMBER} are read", source=text, span=span)
    if _continues(text, end):
        raise ParseError(
            f"an operator is missing after {digits}: write {digits}*{text[end : end + 1]}…",
            source=text,
            span=(at, end + 1),
        )
    plain = piece.replace("_", "")
    try:
        if plain.isdigit():
            if len(plain) > 1 and plain[0] == "0" and plain.strip("0"):
                raise ParseError(f"a number does not start with 0: write {plain.lstrip('0')}", source=text, span=span)
            return int(piece)
        value = float(piece)
    except ValueError:
        raise ParseError(f"{digits} is not a number", source=text, span=span) from None
    if value == float("inf"):
        raise ParseError(f"{digits} is larger than any float64; write inf if that is meant", source=text, span=span)
    return value


def _continues(text: str, at: int) -> bool:
    """Whether a letter, digit or _ stands at `at`."""
    return at < len(text) and (text[at] == "_" or text[at].isalnum())


def _check_letters(text: str, piece: str, at: int) -> None:
    for k, c in enumerate(piece):
        if not c.isascii() and unicodedata.normalize("NFKC", c) != c:
            plain = unicodedata.normalize("NFKC", c)
            power = c in "⁰¹²³⁴⁵⁶⁷⁸⁹"
            hint = f"write {piece[:k]}**{plain}" if power else _INSTEAD.get(c, f"it looks like {plain}; write that")
            raise ParseError(f"{_described(c)} is not read: {hint}", source=text, span=(at + k, at + k + 1))
    normal = unicodedata.normalize("NFKC", piece)
    if normal != piece or not piece.isidentifier():
        raise ParseError(f"{piece[:20]} is not a name" + (f": write {normal[:20]}" if normal != piece else ""),
                         source=text, span=(at, at + len(piece)))  # fmt: skip


def _check_lookalikes(text: str, tokens: list[Token]) -> None:
    seen: dict[str, str] = {}
    for token in tokens:
        if token.kind == "name":
            other = seen.setdefault(token.text.translate(_LOOKALIKES), token.text)
            if other != token.text:
                odd = next(c for c in token.text + other if not c.isascii())
                raise ParseError(f"two names look alike but differ: one is written with {_described(odd)}", source=text,
                                 span=(token.start, token.end))  # fmt: skip


def _described(c: str) -> str:
    return f"U+{ord(c):04X} {unicodedata.name(c, 'CONTROL CHARACTER')}"


def _strange(text: str, at: int) -> ParseError:
    """The error for a character that begins no token."""
    c = text[at]
    span = at, at + 1
    if c == '"':
        return ParseError('a text that begins with " must end with " on the same line', source=text, span=span)
    if c in _INSTEAD:
        what = c if c.isascii() else f"{c} ({_described(c)})"
        return ParseError(f"{what} is not read in formulas: {_INSTEAD[c]}", source=text, span=span)
    if c.isspace() or not c.isprintable() or unicodedata.category(c) in ("Cf", "Mn", "Cc", "Zs"):
        return ParseError(f"invisible character {_described(c)} in the formula; delete it", source=text, span=span)
    plain = unicodedata.normalize("NFKC", c)
    hint = f"; it looks like {plain}, write that" if plain != c else ""
    return ParseError(
        f"unexpected character {c}{'' if c.isascii() else ' (' + _described(c) + ')'}{hint}", source=text, span=span
    )


__all__ = ["DEEPEST", "LITERALS", "Token", "ends_value", "tokenize"]
