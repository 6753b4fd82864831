"""Tokens to steps: the grammar of formulas, by precedence climbing with an explicit stack.

The grammar is that of Python's expressions with ``'`` (transpose) after a value and ``^`` beside ``**``, and without
everything that could run code: no attributes but the listed methods, no lambda, no comprehension, no assignment.  A
formula may end in ``where name = expression, …``, which names shared parts.

An expression becomes a flat list of steps in postfix order, so that neither reading nor building nests Python calls:
Python's own parser refuses a sum of 5000 terms.  What waits on the stack are operators without their right operand and
open brackets.
"""

from __future__ import annotations

from .errors import ParseError
from .parser_complaints import Complaints
from .parser_steps import Bracket, Call, Formula, Operator, Step
from .parser_tokens import DEEPEST, LITERALS, Token, tokenize

CONDITIONAL, NOT, COMPARISON, UNARY, POWER = 1, 4, 5, 10, 11
BINARY = {
    "or": 2, "and": 3, "|": 6, "&": 7, "+": 8, "-": 8, "*": 9, "/": 9, "//": 9, "%": 9, "@": 9, "**": POWER, "^": POWER,
}  # fmt: skip
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
PREFIX = {"+": UNARY, "-": UNARY, "~": UNARY, "not": NOT}
CLOSING = {"(": ")", "[": "]"}


def read(text: str) -> Formula:
    """The steps of `text`.  Raises ParseError with the place of what is not a formula."""
    tokens = tokenize(text)
    if len(tokens) == 1:
        raise ParseError("the formula is empty", source=text, span=(0, 1) if text.strip() else None)
    reader = _Reader(text, tokens)
    formula = Formula(text, reader.expression())
    while not reader.ended():
        name = reader.definition(formula)
        formula.definitions[name.text] = reader.expression()
        formula.places[name.text] = name.start, name.end
    return formula


class _Reader(Complaints):
    """Reads one expression after the other from the tokens of a formula."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text, self.tokens, self.at = text, tokens, 0
        self.steps: list[Step] = []
        self.spans: list[tuple[int, int]] = []
        self.stack: list[Operator | Bracket] = []

    # ---- the whole

    def ended(self) -> bool:
        """Whether every token is read."""
        return self.tokens[self.at].kind == "end"

    def definition(self, formula: Formula) -> Token:
        """Reads ``where name =`` or ``, name =``, and gives the name."""
        separator, name, equals = (self.tokens[min(self.at + k, len(self.tokens) - 1)] for k in range(3))
        first = not formula.definitions
        if separator.text == "," and first:
            raise self.error(
                "unexpected , at the end of an expression: a formula is one value; array([a, b]) holds several",
                separator,
            )
        if separator.text == "where" and not first:
            raise self.error("a formula has one where tail: separate its definitions by commas", separator)
        if name.kind != "name" or equals.text != "=":
            raise self.error("a where tail reads: … where name = expression, name = expression", name)
        if name.text in formula.definitions or name.text in LITERALS:
            raise self.error(
                f"{name.text} is defined twice"
                if name.text in formula.definitions
                else f"{name.text} cannot be redefined",
                name,
            )
        self.at += 3
        return name

    def expression(self) -> list[Step]:
        """The steps of the expression that begins here, up to the end, a comma or a where tail outside of brackets."""
        self.steps, self.spans, self.stack = [], [], []
        while True:
            self.operand()
            if self.operators():
                return self.steps

    # ---- where a value must stand

    def operand(self) -> None:
        """Reads up to and including a value, or up to a closing bracket where there may be none."""
        complete = False
        while not complete:
            token = self.tokens[self.at]
            if token.kind == "number":
                self.value("value", token.value)
                complete = True
            elif token.kind == "name":
                complete = self.name(token)
            elif token.kind == "text":
                self.quoted(token)
                complete = True
            elif token.text in PREFIX:
                self.prefix(token)
            elif token.text in CLOSING:
                self.open(Bracket("group" if token.text == "(" else "list", token, token.start))
            else:
                complete = self.empty(token)

    def name(self, token: Token) -> bool:
        """Reads a name: True when it was a value, False when it opened a call or named an argument."""
        follower = self.tokens[self.at + 1]
        top = self.stack[-1] if self.stack else None
        if token.text in LITERALS:
            self.value("value", LITERALS[token.text])
            return True
        if follower.text == "(":
            self.at += 1
            self.open(Bracket("call", follower, token.start, token))
            return False
        if follower.text == "=" and isinstance(top, Bracket) and top.kind in ("call", "method") and top.fresh:
            if token.text in top.keywords:
                raise self.error(f"argument {token.text} is given twice", token)
            top.keywords.append(token.text)
            top.fresh = False
            self.at += 2
            return False
        self.value("name", token.text)
        return True

    def value(self, kind: str, payload: object) -> None:
        token = self.tokens[self.at]
        if self.stack:
            self.begin(token)
        self.at += 1
        self.steps.append(Step(kind, payload, 0, token.start, token.end))
        self.spans.append((token.start, token.end))

    def begin(self, token: Token) -> None:
        """An item of the open bracket begins."""
        top = self.stack[-1]
        if isinstance(top, Bracket) and top.fresh:
            if top.keywords:
                raise self.error("an argument without a name after one with a name", token)
            top.fresh = False

    def quoted(self, token: Token) -> None:
        top = self.stack[-1] if self.stack else None
        follower = self.tokens[self.at + 1].text
        if not isinstance(top, Bracket) or top.kind not in ("call", "method") or follower not in (",", ")"):
            raise self.error("text may stand only as an argument of a function", token)
        self.value("text", token.value)

    def prefix(self, token: Token) -> None:
        top = self.stack[-1] if self.stack else None
        if token.text == "not" and isinstance(top, Operator) and top.precedence > NOT:
            raise self.error("put parentheses around not …", token)
        if top:
            self.begin(token)
        self.push(Operator("unary", PREFIX[token.text], [token.text], token))

    def open(self, bracket: Bracket) -> None:
        """Opens a bracket where a value must stand."""
        if self.stack:
            self.begin(bracket.name or bracket.token)
        self.push(bracket)

    def push(self, entry: Operator | Bracket) -> None:
        if len(self.stack) >= DEEPEST:
            raise self.error(f"nested more than {DEEPEST} deep", entry.token)
        self.stack.append(entry)
        self.at += 1

    def empty(self, token: Token) -> bool:
        """Reads what may stand in place of a value: ``...`` and ``:`` in an index, a bracket closed early.  True when a
        value is complete."""
        top = self.stack[-1] if self.stack else None
        if not isinstance(top, Bracket):
            raise self.missing(token)
        if top.kind == "index":
            if token.text == "..." and top.fresh:
                self.value("value", Ellipsis)
                return True
            if token.text == ":":
                self.colon(top, given=False)
                return False
            if token.text == "," and top.bounds is not None:
                self.comma(top, given=False)
                return False
        ended = top.bounds is not None or (top.fresh and (top.count or top.kind != "index"))
        if token.text == CLOSING[top.token.text] and ended:
            self.close(top, given=False)
            return True
        raise self.missing(token)

    # ---- where an operator must stand

    def operators(self) -> bool:
        """Reads what follows a value up to where the next value must stand; True when the expression is complete."""
        while True:
            token = self.tokens[self.at]
            text, kind = token.text, token.kind
            if kind == "operator" or kind == "word":
                if text in BINARY:
                    self.binary(token)
                    return False
                if text in COMPARISONS:
                    self.comparison(token)
                    return False
                if text in ("if", "else"):
                    self.conditional(token)
                    return False
                if text == "'":
                    self.postfix(token, Call("transpose", (), token.start, token.end))
                elif text == ".":
                    if self.member():
                        return False
                elif text == "[":
                    self.push(Bracket("index", token, self.spans[-1][0]))
                    return False
                elif self.punctuation(token):
                    return not self.stack
            elif kind == "end" or (kind == "name" and text == "where"):
                self.finish(token)
                return True
            else:
                raise self.juxtaposed(token)

    def binary(self, token: Token) -> None:
        precedence = BINARY[token.text]
        self.reduce(precedence + 1 if precedence == POWER else precedence)
        self.push(Operator("binary", precedence, [token.text], token))

    def comparison(self, token: Token) -> None:
        self.reduce(COMPARISON + 1)
        top = self.stack[-1] if self.stack else None
        if isinstance(top, Operator) and top.kind == "compare":
            top.names.append(token.text)
            self.at += 1
        else:
            self.push(Operator("compare", COMPARISON, [token.text], token))

    def conditional(self, token: Token) -> None:
        if token.text == "if":
            self.reduce(CONDITIONAL + 1)
            self.push(Operator("if", CONDITIONAL, ["if"], token))
            return
        while self.stack and isinstance(top := self.stack[-1], Operator) and top.kind != "if":
            self.emit_operator()
        if not self.stack or not isinstance(top := self.stack[-1], Operator):
            raise self.error("else without if: a if condition else b", token)
        top.kind = "conditional"
        self.at += 1

    def postfix(self, token: Token, call: Call) -> None:
        self.at += 1
        self.emit("method", call, 1, self.spans[-1][0], token.end)

    def member(self) -> bool:
        """Reads ``.T`` (False: a value is complete) or ``.name(`` (True: its arguments follow)."""
        dot, name = self.tokens[self.at], self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if name.kind != "name":
            raise self.error("a method's name must follow the dot", dot)
        self.at += 1
        if self.tokens[self.at + 1].text != "(":
            if name.text != "T":
                raise self.error(
                    f"attributes are not read: .{name.text[:40]} is neither .T nor a method with its arguments", name
                )
            self.postfix(name, Call("transpose", (), name.start, name.end))
            return False
        self.at += 1
        self.push(Bracket("method", self.tokens[self.at], self.spans[-1][0], name))
        return True

    def punctuation(self, token: Token) -> bool:
        """Reads a comma, colon or closing bracket after a value; True when a value must follow or the expression is
        complete."""
        self.reduce(0)
        top = self.stack[-1] if self.stack else None
        if token.text == "," and top is None:
            return True
        if token.text == "=":
            raise self.error("= is not an operator: compare with ==, define with `… where name = …`", token)
        if not isinstance(top, Bracket) or token.text not in (",", ":", CLOSING[top.token.text]):
            raise self.unmatched(token, top)
        if token.text == ":":
            if top.kind != "index":
                raise self.error(": stands only in an index", token)
            self.colon(top, given=True)
            return True
        if token.text == ",":
            self.comma(top, given=True)
            return True
        self.close(top, given=True)
        return False

    # ---- brackets

    def colon(self, top: Bracket, *, given: bool) -> None:
        bounds = top.bounds = top.bounds or []
        bounds.append(given)
        top.fresh = False
        if len(bounds) > 2:
            raise self.error("a slice has at most two colons", self.tokens[self.at])
        self.at += 1

    def comma(self, top: Bracket, *, given: bool) -> None:
        self.item(top, given=given)
        top.comma = True
        self.at += 1

    def item(self, top: Bracket, *, given: bool) -> None:
        """Ends an item of a bracket."""
        if top.bounds is not None:
            bounds = (*top.bounds, given)
            end = self.tokens[self.at].start
            start = self.spans[-sum(bounds)][0] if any(bounds) else end - 1
            self.emit("slice", bounds, sum(bounds), start, end)
        top.count += 1
        top.bounds, top.fresh = None, True

    def close(self, top: Bracket, *, given: bool) -> None:
        token = self.tokens[self.at]
        if given or top.bounds is not None:
            self.item(top, given=given)
        self.stack.pop()
        self.at += 1
        start, end = top.start, token.end
        if top.kind == "group" and top.count == 1 and not top.comma:
            self.spans[-1] = start, end
        elif top.kind in ("group", "list"):
            self.emit("tuple" if top.kind == "group" else "list", None, top.count, start, end)
        elif top.kind == "index":
            if top.count != 1 or top.comma:
                self.emit("tuple", None, top.count, top.token.start, end)
            self.emit("index", None, 2, start, end)
        else:
            assert top.name is not None
            call = Call(top.name.text, tuple(top.keywords), top.name.start, top.name.end)
            self.emit(top.kind, call, top.count + (top.kind == "method"), start, end)

    # ---- output

    def reduce(self, precedence: int) -> None:
        """Ends the operators on the stack that bind at least as strongly as `precedence`, down to the open bracket."""
        stack = self.stack
        while stack and isinstance(top := stack[-1], Operator) and top.precedence >= precedence:
            self.emit_operator()

    def emit_operator(self) -> None:
        top = self.stack.pop()
        assert isinstance(top, Operator)
        if top.kind == "if":
            raise self.error("if without else: a if condition else b", top.token)
        if top.kind == "unary":
            self.emit("unary", top.names[0], 1, top.token.start, self.spans[-1][1])
            return
        arity = len(top.names) + 1 if top.kind == "compare" else 3 if top.kind == "conditional" else 2
        payload = tuple(top.names) if top.kind == "compare" else top.names[0]
        self.emit(top.kind, payload, arity, self.spans[-arity][0], self.spans[-1][1])

    def emit(self, kind: str, payload: object, arity: int, start: int, end: int) -> None:
        self.steps.append(Step(kind, payload, arity, start, end))
        if arity:
            del self.spans[-arity:]
        self.spans.append((start, end))

    def finish(self, token: Token) -> None:
        self.reduce(0)
        if self.stack:
            top = self.stack[-1]
            if token.kind == "name":
                raise self.error("a where tail stands at the end of the formula, outside of brackets", token)
            raise self.error(f"{top.token.text} is not closed", top.token)


__all__ = ["read"]
