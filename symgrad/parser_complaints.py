"""What is said of text that is not a formula."""

from __future__ import annotations

from .errors import ParseError
from .parser_steps import Bracket, Operator
from .parser_tokens import Token


class Complaints:
    """The errors of a reader that stands at token number `at` of `tokens` with `stack` waiting."""

    text: str
    tokens: list[Token]
    at: int
    stack: list[Operator | Bracket]

    def error(self, message: str, token: Token) -> ParseError:
        return ParseError(message, source=self.text, span=(token.start, max(token.end, token.start + 1)))

    def missing(self, token: Token) -> ParseError:
        """A value was expected, `token` stands there."""
        opened = next((e for e in reversed(self.stack) if isinstance(e, Bracket)), None)
        if token.kind == "end":
            before = self.tokens[self.at - 1]
            if opened is not None and not isinstance(self.stack[-1], Operator):
                return self.error(f"{opened.token.text} is not closed", opened.token)
            return self.error(f"the formula ends where a value must follow {before.text}", before)
        if token.text in (")", "]") and opened is None:
            return self.error(f"{token.text} closes nothing", token)
        hint = " (transpose is written after its operand)" if token.text == "'" else ""
        return self.error(f"expected a value, found {token.text}{hint}", token)

    def unmatched(self, token: Token, top: object) -> ParseError:
        if token.text in (")", "]"):
            if isinstance(top, Bracket):
                return self.error(f"{token.text} does not close {top.token.text}", token)
            return self.error(f"{token.text} closes nothing", token)
        product = ": write * for a product" if token.text == "(" else ""
        return self.error(f"expected an operator, found {token.text}{product}", token)

    def juxtaposed(self, token: Token) -> ParseError:
        """Two values stand side by side."""
        before = self.tokens[self.at - 1]
        if token.kind == "text":
            return self.error("text may stand only as an argument of a function", token)
        if before.kind == "name" and token.kind in ("name", "number"):
            return self.error(
                f"expected an operator between {before.text[:40]} and {token.text[:40]}: write * for a product", token
            )
        return self.error(f"expected an operator, found {token.text[:40]}: write * for a product", token)


__all__ = ["Complaints"]
