"""`parse`: formula text to an expression.

Reading (`parser_grammar`) gives steps in postfix order; building runs them over a stack of values with Python's own
operators on expressions, so that a text and a traced function of the same formula give the same node.  Nothing is ever
evaluated as Python code: a text can only name what stands in the table of functions.

Every node remembers the part of the text that it came from, and every error points at it.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from . import ops as ops
from .build import parse_type, symbol
from .compiler.types import ArrayType, named, names
from .errors import ArgumentError, DTypeError, ParseError, ShapeError, SymgradError
from .expression import FUNCTIONS, METHODS, Expr, Source, lift, size
from .graph import Node
from .ops.gathering import COUNT_NAME
from .parser_grammar import read
from .parser_numbers import OPERATORS, calculate, folded, is_number
from .parser_steps import Call, Formula, Step

CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
"""Names with a value, unless the caller declares them."""
GREEK = frozenset({
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi", "omicron",
    "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
})  # fmt: skip
"""Variables, unless called, even where a function has the same name; a letter and a digit (y1) are so too."""


def parse(text: str, /, **shapes: Any) -> Expr:
    """The expression that `text` says, in Python's notation with ``'`` for the transpose and ``^`` beside ``**``.

    `shapes` declares the symbols, in the order in which functions of the formula take them: ``X="m,n"``, ``y="m"``,
    ``lam=""``, ``Z="f32[m,3]"``.  Names that are not declared are scalars and follow in order of appearance; a size
    name is the size as a number; pi, e, inf and nan are what they say unless declared.

    Raises ParseError for text that is not a formula and ShapeError, DTypeError, ArgumentError, DomainError for formulas
    that mean nothing, each pointing at the part at fault.

    >>> import symgrad as sg
    >>> sg.parse("sum((X @ w - y)**2)", X="m,n", w="n", y="m").type
    f64
    """
    if not isinstance(text, str):
        raise ArgumentError(f"a formula is text, got {type(text).__name__}")
    declared = {name: symbol(name, parse_type(shape)) for name, shape in shapes.items()}
    formula = read(text)
    builder = _Builder(formula, declared)
    value = builder.formula()
    symbols = tuple(x.node for x in builder.symbols.values())
    return Expr(value.node, symbols, weak=value.weak, source=builder.source)


class _Builder:
    """Turns the steps of one formula into nodes."""

    def __init__(self, formula: Formula, declared: dict[str, Expr]) -> None:
        self.text, self.parts = formula.text, formula
        self.source = Source(formula.text)
        self.symbols = dict(declared)
        self.known: dict[str, Any] = dict(CONSTANTS)
        types = [x.type for x in declared.values()]
        self.known.update({n: size(named(n)) for n in sorted(_size_names(types))})
        self.known.update({n: size(named(n)) for n in COUNT_NAME.findall(formula.text)})
        self.known.update(declared)
        for name, place in formula.places.items():
            if name in declared:
                raise ParseError(f"{name} is declared and defined", source=self.text, span=place)
            self.known.pop(name, None)
        self.introduce(formula)

    def introduce(self, formula: Formula) -> None:
        """Makes a scalar symbol of every name that nothing else explains, in the order of the text."""
        new: dict[str, Step] = {}
        for part in formula.parts():
            for step in part:
                if step.kind == "name":
                    name = str(step.payload)
                    if name not in self.known and name not in formula.definitions:
                        new.setdefault(name, step)
        used = {step.payload for part in formula.parts() for step in part if step.kind == "name"}
        spare = [name for name in self.symbols if name not in used]
        for name, step in new.items():
            self.check_new(name, step, spare)
            self.known[name] = self.symbols[name] = symbol(name, ArrayType("f64"))

    def check_new(self, name: str, step: Step, spare: Sequence[str]) -> None:
        span = step.start, step.end
        if name in FUNCTIONS and name not in GREEK and not re.fullmatch("[a-z][0-9]", name):
            raise ParseError(
                f"{name} is a function: write {name}(…), or declare a variable of that name",
                source=self.text,
                span=span,
            )
        letters = name.rstrip("0123456789_")
        rivals = [other for other in spare if other.rstrip("0123456789_") != letters and len(other) > 3]
        near = _near(name, rivals, 1, 0.8) if len(name) > 3 else []
        if near:
            raise ParseError(
                f"{name} is not declared, and {near[0]} is not used: is {near[0]} meant?", source=self.text, span=span
            )

    # ---- running steps

    def formula(self) -> Expr:
        """The value of the whole formula."""
        for name in self.order():
            self.known[name] = self.run(self.parts.definitions[name])
        steps = self.parts.steps
        return self.array(self.run(steps), (steps[-1].start, steps[-1].end))

    def order(self) -> list[str]:
        """The defined names, each after those that its definition uses."""
        waits = {name: {str(s.payload) for s in steps if s.kind == "name"} & self.parts.definitions.keys()
                 for name, steps in self.parts.definitions.items()}  # fmt: skip
        users: dict[str, list[str]] = {name: [] for name in waits}
        for name, needs in waits.items():
            for other in needs:
                users[other].append(name)
        ready = [name for name, needs in waits.items() if not needs]
        order: list[str] = []
        while ready:
            done = ready.pop()
            order.append(done)
            for user in users[done]:
                waits[user].discard(done)
                if not waits[user]:
                    ready.append(user)
        if len(order) < len(waits):
            name = next(n for n in waits if n not in order)
            raise ParseError(f"{name} is defined by itself", source=self.text, span=self.parts.places[name])
        return order

    def run(self, steps: list[Step]) -> Any:
        """The value that `steps` leave on the stack."""
        stack: list[Any] = []
        actions = self.actions()
        for kind, payload, arity, start, end in steps:
            if kind == "value" or kind == "text":
                stack.append(payload)
                continue
            if kind == "name":
                result = self.known[payload]  # type: ignore[index]
            else:
                args = stack[len(stack) - arity :]
                del stack[len(stack) - arity :]
                try:
                    result = actions[kind](payload, args)
                except SymgradError as error:
                    raise error.at(self.text, (start, end)) from None
            if isinstance(result, Expr):
                self.mark(result.node, (start, end))
            stack.append(result)
        return stack[0]

    def actions(self) -> dict[str, Callable[[Any, list[Any]], Any]]:
        return {
            "binary": _binary, "unary": _unary, "compare": _compare, "conditional": _conditional, "slice": _slice,
            "index": _index, "tuple": lambda _, items: tuple(items), "list": lambda _, items: items,
            "call": self.call, "method": self.method,
        }  # fmt: skip

    def mark(self, root: Node, span: tuple[int, int]) -> None:
        """Notes that `root` and what was made with it came from `span`."""
        spans = self.source.spans
        if root in spans:
            return
        spans[root] = span
        pending = [root]
        while pending:
            for x in pending.pop().inputs:
                if x not in spans:
                    spans[x] = span
                    pending.append(x)

    def array(self, value: Any, span: tuple[int, int]) -> Expr:
        """`value` as an expression; ParseError if it is a tuple or None."""
        try:
            return operand(value) if isinstance(operand(value), Expr) else lift(value)
        except SymgradError as error:
            raise error.at(self.text, span) from None

    # ---- calls

    def call(self, call: Call, args: list[Any]) -> Any:
        if call.name not in FUNCTIONS:
            raise self.unknown(call, FUNCTIONS, "function")
        return self.apply(call, call.name, args)

    def method(self, call: Call, args: list[Any]) -> Any:
        name = METHODS.get(call.name, "transpose" if call.name == "transpose" else None)
        if name is None:
            raise self.unknown(call, METHODS, "method")
        args[0] = operand(args[0])
        return self.apply(call, name, args)

    def apply(self, call: Call, name: str, args: list[Any]) -> Any:
        """A function of the table on values; whatever it does not take is an error of ours."""
        first = len(args) - len(call.keywords)
        named_args = dict(zip(call.keywords, args[first:], strict=True))
        f = FUNCTIONS[name]
        form = signature(f)
        if form is not None:
            try:
                form.bind(*args[:first], **named_args)
            except TypeError as error:
                raise ArgumentError(f"{call.name}: {error}: {call.name}{form}") from None
        try:
            return folded(f(*args[:first], **named_args), args)
        except SymgradError:
            raise
        except Exception as error:
            # Text from strangers may hand anything to any function; whatever slips past its own checks is still their
            # mistake.
            raise ArgumentError(f"{call.name}: does not take these arguments ({error})") from error

    def unknown(self, call: Call, table: Iterable[str], what: str) -> ParseError:
        """A function or method that does not exist, with what may have been meant."""
        span = call.start, call.end
        near = _near(call.name, list(table), 3, 0.7) if len(call.name) < 40 else []
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        if what == "function" and call.name in self.known:
            return ParseError(f"{call.name} is a variable, not a function: write {call.name}*( … ) for a product",
                              source=self.text, span=span)  # fmt: skip
        if what == "method" and self.text[: call.start].endswith(("np.", "numpy.")):
            hint = f": write {call.name}(…), without np."
        elif what == "method":
            hint = hint or f"; formulas know only .T and the methods {', '.join(sorted(METHODS))}"
        elif call.name in METHODS:
            hint = f"; it is a method: x.{call.name}(…)"
        return ParseError(f"{call.name} is not a {what} of formulas{hint}", source=self.text, span=span)


def _size_names(types: Iterable[ArrayType]) -> set[str]:
    return {name for t in types for n in t.shape for name in names(n)}


@cache
def signature(f: Callable[..., Any]) -> inspect.Signature | None:
    """How `f` may be called from a formula, without annotations; None if that is not known."""
    try:
        found = inspect.signature(f)
    except (TypeError, ValueError):
        return None
    public = [
        p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values() if not p.name.startswith("_")
    ]
    return inspect.Signature(public)


# ---- operators


def operand(value: Any) -> Any:
    """`value` if it is a number or an expression, a list as an array.  Raises DTypeError for tuples, None and text."""
    if isinstance(value, Expr) or is_number(value):
        return value
    if isinstance(value, list):
        return FUNCTIONS["array"](value)
    what = {tuple: "a tuple", str: "a text", type(None): "None", type(Ellipsis): "...", slice: "a slice"}
    raise DTypeError(f"{what.get(type(value), type(value).__name__)} is not a value to compute with"
                     + ("; array([a, b]) is an array" if isinstance(value, tuple) else ""))  # fmt: skip


def _truth(value: Any) -> Any:
    return bool(value) if is_number(value) else value


_WITH_FLOATS = frozenset({"+", "-", "*", "/", "**", "^"})


def _binary(symbol_: str, args: list[Any]) -> Any:
    a, b = map(operand, args)
    if type(b) is int and isinstance(a, Expr) and a.dtype == "f64" and symbol_ in _WITH_FLOATS and abs(b) < 2**53:
        b = float(b)  # the node that it would become anyway, without one for the integer
    if is_number(a) and is_number(b):
        if symbol_ in ("and", "&", "or", "|"):
            return (a and b) != 0 if symbol_ in ("and", "&") else (a or b) != 0
        if symbol_ != "@":
            return calculate(symbol_, a, b)
    if symbol_ in ("&", "|"):
        _check_logic(symbol_, a, b)
    if symbol_ in ("and", "&"):
        return FUNCTIONS["logical_and"](a, b)
    if symbol_ in ("or", "|"):
        return FUNCTIONS["logical_or"](a, b)
    if symbol_ == "*":
        return _product(a, b)
    if symbol_ == "@":
        return FUNCTIONS["matmul"](a, b)
    return OPERATORS[symbol_](a, b)


def _product(a: Any, b: Any) -> Any:
    try:
        return a * b
    except ShapeError as error:
        raise ShapeError(f"{error.message}; * multiplies element by element, the matrix product is @") from None


def _check_logic(symbol_: str, a: Any, b: Any) -> None:
    for x in (a, b):
        if not isinstance(x, bool) and not (isinstance(x, Expr) and x.dtype == "bool"):
            word = "and" if symbol_ == "&" else "or"
            raise DTypeError(
                f"{symbol_} takes truth values and binds more strongly than comparisons: "
                f"write (a < b) {symbol_} (c < d), or {word}"
            )


def _unary(symbol_: str, args: list[Any]) -> Any:
    x = operand(args[0])
    if symbol_ in ("~", "not"):
        return x == 0 if is_number(x) else FUNCTIONS["logical_not"](x)
    return -x if symbol_ == "-" else +x


def _compare(symbols: tuple[str, ...], args: list[Any]) -> Any:
    """A chain of comparisons is true where all of them are."""
    values = list(map(operand, args))
    result: Any = None
    for k, symbol_ in enumerate(symbols):
        a, b = values[k], values[k + 1]
        one = calculate(symbol_, a, b) if is_number(a) and is_number(b) else OPERATORS[symbol_](a, b)
        result = one if result is None else _binary("and", [result, one])
    return result


def _conditional(_: Any, args: list[Any]) -> Any:
    """``a if c else b``: the branch taken, where the condition is a number, otherwise `where`."""
    a, condition, b = map(operand, args)
    if is_number(condition):
        return a if condition else b
    return FUNCTIONS["where"](condition, a, b)


def _slice(bounds: tuple[bool, ...], args: list[Any]) -> slice:
    given = iter(args)
    parts = [next(given) if present else None for present in bounds]
    for k, part in enumerate(parts):
        if isinstance(part, Expr) and k == 2:
            raise ArgumentError("slicing: the step must be an integer")
        if isinstance(part, float | str | list | tuple):
            raise DTypeError(f"slicing: a bound must be an integer, got {part!r}")
    return slice(*parts)


def _index(_: Any, args: list[Any]) -> Any:
    value, index = args
    if isinstance(value, tuple):
        if not isinstance(index, int) or not -len(value) <= index < len(value):
            raise ArgumentError(f"indexing: {index!r} is not the index of one of {len(value)} results")
        return value[index]
    array = lift(operand(value))
    try:
        return array[index]
    except SymgradError:
        raise
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise ArgumentError(f"indexing: {error}") from error


def _near(name: str, known: Sequence[str], most: int, likeness: float) -> list[str]:
    """Names that `name` may have been meant to be, the most similar first."""
    from difflib import get_close_matches

    return get_close_matches(name, known, most, likeness)


__all__ = ["parse", "signature"]
