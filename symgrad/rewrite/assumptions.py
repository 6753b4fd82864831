"""What is known of symbols, what follows from it for formulas of them, and the forms that it allows.

    simplify(assume={"A": "symmetric", "x": "positive", "k": "integer"})

A property holds for a symbol because the caller says so and for a formula because its parts have it; nothing is tested
with numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ArgumentError
from ..expression import FUNCTIONS, Expr, properties, symbol_name
from ..graph import Node, lookup, node
from ..ops.contraction import einsum_node
from ..properties import PROPERTIES, check_property
from .canonical import rebuild
from .engine import Assumed
from .order import compare
from .symmetry import is_symmetric, transposed
from .terms import number_of, split

POSITIVE = frozenset({"exp", "cosh", "sigmoid", "softplus", "exp2", "erfc", "ndtr"})
NOT_NEGATIVE = frozenset({"abs", "sqrt", "norm", "relu", "hypot"})


def unvisited(roots: Sequence[Node], known: Container[Node]) -> list[Node]:
    """The nodes below `roots` and these that are not `known`, inputs first; nothing below a known one is looked at."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        x, done = stack.pop()
        if done:
            order.append(x)
        elif x not in seen and x not in known:
            seen.add(x)
            stack.append((x, True))
            stack += [(i, False) for i in reversed(x.inputs)]
    return order


class Assumptions:
    """Facts about symbols and what follows from them."""

    def __init__(self, said: Mapping[Node, frozenset[str]] | None = None) -> None:
        self.said = dict(said or {})
        self._symmetric: dict[Node, bool] = {}
        self._signs: dict[Node, frozenset[str]] = {}

    def holds(self, what: str, x: Node) -> bool:
        """Whether `x` has the property `what`, one that a rule assumes, for certain."""
        if what == "symmetric":
            return self.symmetric(x)
        return what in self.known(x)

    def unknown(self, assumed: Assumed) -> Assumed:
        """Those assumptions that do not follow from what is known."""
        return [(what, x) for what, x in assumed if not self.holds(what, x)]

    def known(self, x: Node) -> frozenset[str]:
        """The properties of `x` that follow: about its sign, whether it is a whole number, said ones."""
        for n in unvisited([x], self._signs):
            self._signs[n] = self._follows(n)
        return self._signs[x]

    def _follows(self, x: Node) -> frozenset[str]:
        found = set(self.said.get(x, ()))
        value = number_of(x)
        inputs = [self._signs[i] for i in x.inputs]
        name = x.op.name
        if value is not None:
            found |= {"finite"} | ({"positive"} if value > 0 else {"negative"} if value < 0 else {"not negative"})
            found |= {"integer"} if value.denominator == 1 else set()
        elif name in POSITIVE:
            found.add("positive")
        elif name in NOT_NEGATIVE:
            found.add("positive" if inputs and all("positive" in p for p in inputs) else "not negative")
        elif name == "size":
            found |= {"not negative", "integer", "finite"}
        elif name in ("add", "mul") and x.type.dtype != "bool":
            found |= {p for p in ("positive", "not negative", "integer", "finite") if all(p in q for q in inputs)}
            if name == "mul":
                found |= {"not zero"} if all("not zero" in q for q in inputs) else set()
            elif any("positive" in q for q in inputs) and all("not negative" in q for q in inputs):
                found.add("positive")
        elif name == "div" and all("positive" in q for q in inputs):
            found.add("positive")
        elif name == "pow":
            exponent = number_of(x.inputs[1])
            if "positive" in inputs[0]:
                found.add("positive")
            elif exponent is not None and exponent > 0 and exponent.denominator == 1 and exponent % 2 == 0:
                found |= {"not negative"} | (inputs[0] & {"not zero"})
        elif name == "einsum" and all("not negative" in q for q in inputs):
            found.add("not negative")
        if "positive" in found:
            found |= {"not negative", "not zero"}
        if "negative" in found:
            found.add("not zero")
        return frozenset(found)

    def symmetric(self, x: Node) -> bool:
        """Whether the matrix `x` is its own transpose, by its form or by what is said."""
        if len(x.type.shape) != 2 or x.type.shape[0] != x.type.shape[1]:
            return False
        for n in unvisited([x], self._symmetric):
            self._symmetric[n] = self._is_symmetric(n)
        return self._symmetric[x]

    def _is_symmetric(self, x: Node) -> bool:
        if len(x.type.shape) != 2 or x.type.shape[0] != x.type.shape[1]:
            return False
        if "symmetric" in self.said.get(x, ()) or is_symmetric(x):
            return True
        if not self.said:
            return False
        if x.op.name in ("inv", "add", "mul", "div", "cofactor") or x.op.partials is not None:
            return all(not i.type.shape or self._symmetric[i] for i in x.inputs)
        return x.op.name == "einsum" and self.oriented(transposed(x)) is self.oriented(x)

    # ---- forms

    def oriented(self, x: Node, weigh: Callable[[Node], int] = lambda x: 0) -> Node:
        """The einsum `x` with each symmetric factor the way round that is shorter, then the one that stands first."""
        if x.op.name != "einsum":
            return x
        k = 0
        while x.op.name == "einsum" and k < len(x.inputs):
            labels, out, extra = x.params
            operand = x.inputs[k]
            if len(operand.type.shape) == 2 and len(set(labels[k])) == 2 and self.symmetric(operand):
                turned = [*labels[:k], labels[k][::-1], *labels[k + 1 :]]
                other = rebuild(einsum_node(list(x.inputs), turned, out, dict(extra)))
                if other is not x and (weigh(other) - weigh(x) or compare(other, x)) < 0:
                    x = other
            k += 1
        return x

    def forms(self, x: Node) -> Iterator[tuple[str, Node, Assumed]]:
        """Shorter forms of `x` that what is known allows."""
        if not self.said or not x.inputs or x.op.name not in _FORMS:
            return
        found = _FORMS[x.op.name](self, x)
        if found is not None and found.type == x.type:
            yield "by assumption", found, []

    def _by_sign(self, x: Node) -> Node | None:
        """``abs``, ``sign``, ``relu``, ``x > 0`` of what has a known sign."""
        (y, *_), known = x.inputs, self.known(x.inputs[0])
        positive, negative = "positive" in known, "negative" in known
        match x.op.name:
            case "abs" | "relu" if "not negative" in known:
                return y
            case "abs" if negative:
                return rebuild(node(lookup("neg"), (y,)))
            case "sign" if positive or negative:
                return _made(FUNCTIONS["broadcast_to"](1.0 if positive else -1.0, y.type.shape), y)
        return None

    def _root(self, x: Node) -> Node | None:
        """``sqrt(x**2)`` of what is not negative."""
        (y,) = x.inputs
        if y.op.name == "pow" and "not negative" in self.known(y.inputs[0]):
            k = number_of(y.inputs[1])
            if k is not None:
                return _made(Expr(y.inputs[0]) ** float(k / 2), y)
        return None

    def _log(self, x: Node) -> Node | None:
        """``log(x**k)`` and ``log(exp(x)*y)`` of what is positive."""
        (y,) = x.inputs
        if y.op.name == "pow" and "positive" in self.known(y.inputs[0]):
            return _made(Expr(y.inputs[1]) * FUNCTIONS["log"](Expr(y.inputs[0])), y)
        return None

    def _rounded(self, x: Node) -> Node | None:
        return x.inputs[0] if "integer" in self.known(x.inputs[0]) else None

    def _periodic(self, x: Node) -> Node | None:
        """``sin(pi*k)`` and ``cos(pi*k)`` of a whole number."""
        import math

        number, k = split(x.inputs[0])
        if k is None or "integer" not in self.known(k) or k.op.name == "constant":
            return None
        turns = float(number) / math.pi
        if turns != round(turns):
            return None
        if x.op.name == "sin":
            return _made(FUNCTIONS["broadcast_to"](0.0, x.type.shape), x)
        even = round(turns) % 2 == 0
        return _made(FUNCTIONS["broadcast_to"](1.0, x.type.shape) if even else (-1.0) ** Expr(k), x)

    def _power(self, x: Node) -> Node | None:
        """``(x**a)**b`` of what is positive."""
        base, b = x.inputs
        if base.op.name == "pow" and "positive" in self.known(base.inputs[0]):
            return _made(Expr(base.inputs[0]) ** (Expr(base.inputs[1]) * Expr(b)), x)
        if base.op.name == "abs" and number_of(b) is not None and number_of(b) % 2 == 0:  # type: ignore[operator]
            return _made(Expr(base.inputs[0]) ** Expr(b), x)
        return None

    def _extremum(self, x: Node) -> Node | None:
        for a, b in (x.inputs, x.inputs[::-1]):
            if number_of(b) == 0 and "not negative" in self.known(a):
                return a if x.op.name == "maximum" else _made(FUNCTIONS["broadcast_to"](0.0, x.type.shape), x)
        return None

    def _where(self, x: Node) -> Node | None:
        """A branch whose condition is known to hold or not to hold."""
        condition = x.inputs[0]
        answer = self._answer(condition)
        if answer is None:
            return None
        if x.op.name == "mask" and not answer:
            return None
        chosen = x.inputs[1 if answer else 2]
        return _made(FUNCTIONS["broadcast_to"](Expr(chosen), x.type.shape), x)

    def _answer(self, condition: Node) -> bool | None:
        if condition.op.name not in ("greater", "greater_equal", "less", "less_equal", "not_equal", "equal"):
            return None
        a, b = condition.inputs
        if number_of(b) != 0:
            return None
        known = self.known(a)
        yes = {"greater": "positive", "greater_equal": "not negative", "less": "negative", "not_equal": "not zero"}
        no = {"less": "not negative", "less_equal": "positive", "greater": "negative", "equal": "not zero"}
        if yes.get(condition.op.name) in known:
            return True
        return False if no.get(condition.op.name) in known else None


def _made(x: Expr, like: Node) -> Node:
    """The canonical form of `x` with the element type of `like`."""
    return x.astype(like.type.dtype).canonical().node if x.dtype != like.type.dtype else x.canonical().node


_FORMS: dict[str, Callable[[Assumptions, Node], Node | None]] = {
    "abs": Assumptions._by_sign, "sign": Assumptions._by_sign, "relu": Assumptions._by_sign,
    "sqrt": Assumptions._root, "log": Assumptions._log, "pow": Assumptions._power,
    "floor": Assumptions._rounded, "ceil": Assumptions._rounded, "rint": Assumptions._rounded,
    "trunc": Assumptions._rounded, "sin": Assumptions._periodic, "cos": Assumptions._periodic,
    "maximum": Assumptions._extremum, "minimum": Assumptions._extremum,
    "where": Assumptions._where, "mask": Assumptions._where,
}  # fmt: skip


def assumptions(said: Mapping[Any, Any], symbols: Mapping[str, Node]) -> Assumptions:
    """What is declared of `symbols`, and what a caller says beside that: for symbols or their names a property or
    several.  Raises ArgumentError."""
    found = {x: frozenset().union(*(PROPERTIES[word] for word in properties(x))) for x in symbols.values()}
    found = {x: facts for x, facts in found.items() if facts}
    for who, what in said.items():
        name = symbol_name(who.node) if isinstance(who, Expr) else str(who)
        if name not in symbols:
            raise ArgumentError(f"simplify: {name} is not a symbol of the formula, which has {', '.join(symbols)}")
        x = symbols[name]
        words = [what] if isinstance(what, str) else list(what)
        for word in words:
            check_property("simplify", name, x.type, word)
            found[x] = found.get(x, frozenset()) | PROPERTIES[word]
    return Assumptions(found)


__all__ = ["Assumptions", "assumptions", "unvisited"]
