"""The canonical form: one spelling per meaning, in time linear in the graph, changing no value beyond rounding.

- Differences and negatives are sums with negative coefficients.  `add` and `mul` are flat, like terms and equal factors
  are collected, operands stand in structural order; a numeric coefficient comes first.
- Quotients are one `div` of products.  Equal factors above and below are *not* cancelled: x/x is NaN at 0.
- ``x - x`` becomes ``0*x``, which keeps IEEE's meaning at infinity and NaN.
- Integer powers of sums, functions and symbols are collected: x*x is x**2.  A product is not taken out of a power
  (``(x*y)**2``), nor a quotient: x**2*y**2 overflows where (x*y)**2 does not.
- Array products are `einsum`s (see `products`).

Flattening stops at a shared sum or product of more than SMALL operands: the form of a formula that people write does
not depend on what is shared, and a graph with sharing stays linear in its nodes.  The steps are a table, one function
per operation; what has no row is kept as it is.  `stable` rules are applied to every node as it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..compiler.types import DTYPES, ArrayType, Size, floordiv, is_float
from ..expression import broadcast_shapes, constant_value, dim_of_node, size
from ..graph import Node, consumer_counts, lookup, node, postorder
from ..interpreter import run
from .chains import FAMILIES, operands, upper_links
from .order import key, ordered
from .products import einsum_of_product, has_delta, multiply_into_einsum, reduce_einsum
from .sizes import add_sizes, multiply_sizes, primitive, size_node, size_of
from .terms import ONE, as_ratio, constant_node, number_of, power_of, split

SMALL = 8
LARGE, HUGE = 1000, 3000
Step = Callable[[Node, tuple[Node, ...], Sequence[bool]], Node]
STEPS: dict[str, Step] = {}


def step(*names: str) -> Callable[[Step], Step]:
    """Registers the canonical form of the operations `names`: from the node, its canonical inputs, and for each whether
    it may be taken apart however large it is (nothing else uses it)."""

    def add(f: Step) -> Step:
        for name in names:
            STEPS[name] = f
        return f

    return add


def canonicalise(roots: Sequence[Node], *, stable: bool = True) -> list[Node]:
    """The canonical forms of `roots`; with `stable`, accuracy-preserving rewrites are applied too.  Idempotent.

    In graphs of more than LARGE nodes the rewrites that compare distant parts of a formula are left out: time stays
    near linear there, and what such graphs hold was not typed by a person.  Graphs of more than HUGE nodes stay as they
    are but for the stable forms of functions and for long chains."""
    from .settling import SETTLED, remembering
    from .stable import stabilise

    order = postorder(roots)
    if len(order) > HUGE:
        from .large import settled_functions

        return settled_functions(order, roots) if stable else list(roots)
    if len(order) > LARGE and stable:
        with remembering() as remember:
            return _canonical(order, roots, lambda x: remember(stabilise(x, rebuild, True)), SETTLED)
    if stable:
        return _canonical(order, roots, lambda x: stabilise(x, rebuild), SETTLED)
    return _canonical(order, roots, lambda x: x, ())


def _canonical(
    order: Sequence[Node], roots: Sequence[Node], finish: Callable[[Node], Node], known: Container[Node]
) -> list[Node]:
    """The canonical forms of `roots`, each node made stable by `finish`; those that are `known` stay."""
    counts = consumer_counts(order)
    links = upper_links(order, counts, roots)
    new: dict[Node, Node] = {}
    for x in order:
        if x in links:
            continue
        if x in known:
            new[x] = x
            continue
        if any(i in links for i in x.inputs):
            result = chain(x, [(new[i], counts[i] == 1, sign) for i, sign in operands(x, links)])
        else:
            result = canonical_node(x, tuple(new[i] for i in x.inputs), [counts[i] == 1 for i in x.inputs])
        new[x] = finish(result)
    return [new[root] for root in roots]


def canonical_node(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    """One step: the canonical form of an operation on canonical inputs."""
    if x.type.shape and (x.op.partials is not None or x.op.name in ("where", "mask")):
        slim = tuple(thin(i) for i in inputs)
        if all(not i.type.shape for i in slim):
            return _shaped(canonical_node(node(x.op, slim, x.params), slim, free), x.type)
        if slim != inputs and broadcast_shapes(x.op.name, [i.type for i in slim]) == x.type.shape:
            inputs = slim
    if x.op.partials is not None and inputs[0].op.name == "constant" and _of_numbers(x, inputs):
        return _evaluated(node(x.op, inputs, x.params))
    row = STEPS.get(x.op.name)
    if row is not None:
        return row(x, inputs, free)
    if x.op.linear:
        c, base = split(inputs[0])
        if base is not None and c != ONE:
            return scaled(c, node(x.op, (base, *inputs[1:]), x.params))
    if all(a is b for a, b in zip(inputs, x.inputs, strict=True)):
        return x
    return node(x.op, inputs, x.params)


def _of_numbers(x: Node, inputs: tuple[Node, ...]) -> bool:
    """Whether `x` is a function of numbers; sums, products and whole powers of numbers are exact and not counted."""
    if x.type.shape or x.op.name in ("add", "sub", "neg", "mul", "div", "stop_gradient"):
        return False
    if any(i.op.name != "constant" for i in inputs):
        return False
    return x.op.name != "pow" or (k := number_of(inputs[1])) is None or k.denominator != 1


def _evaluated(x: Node) -> Node:
    """The number that an operation on numbers gives."""
    (value,) = run([x], {}, {})
    return node(lookup("constant"), (), (x.type.dtype, (), np.asarray(value, DTYPES[x.type.dtype]).tobytes()))


def chain(x: Node, inputs: Sequence[tuple[Node, bool, int]]) -> Node:
    """The canonical form of a chain that ends in `x`: canonical operands, whether they may be taken apart, and how they
    enter."""
    return build_sum(_sum_terms(inputs), x.type) if FAMILIES[x.op.name][0] == "sum" else _product(x, inputs)


def rebuild(x: Node) -> Node:
    """The canonical form of a node whose inputs are canonical."""
    return canonical_node(x, x.inputs, [True] * len(x.inputs))


# ---- sums

def _sum_terms(inputs: Sequence[tuple[Node, bool, int]]) -> list[tuple[Fraction, Node | None]]:
    terms: list[tuple[Fraction, Node | None]] = []
    whole: set[Node] = set()
    if any(x.op.name == "add" for x, _, _ in inputs):
        whole = {f for x, _, _ in inputs if x.op.name in ("mul", "div") for f in _line_factors(x) if f.op.name == "add"}
    for x, may, sign in inputs:
        c, base = split(thin(x))
        c = c * sign
        if (
            base is not None
            and base.op.name == "add"
            and base not in whole
            and (may or len(base.inputs) <= SMALL)
            and (c == ONE or c == -1)
        ):
            for inner in base.inputs:
                d, rest = split(inner)
                terms.append((c * d, rest))
        else:
            terms.append((c, base))
    return terms


def _line_factors(x: Node) -> tuple[Node, ...]:
    above = x.inputs[0] if x.op.name == "div" else x
    return above.inputs if above.op.name == "mul" else (above,)


def thin(x: Node) -> Node:
    """The scalar that `x` repeats, if it repeats one: where other operands have the shape, the scalar does."""
    while x.op.name == "einsum" and len(x.inputs) == 1 and not x.inputs[0].type.shape:
        (x,) = x.inputs
    return x


def build_sum(terms: Sequence[tuple[Fraction, Node | None]], type_: ArrayType) -> Node:
    """The canonical sum of coefficients times nodes (None: the number itself) of the given type."""
    collected: dict[Node | None, Fraction] = {}
    zeros: dict[Node, None] = {}
    for c, base in terms:
        if base is not None and (scalar := thin(base)) is not base:
            d, base = split(scalar)
            c = c * d
        collected[base] = collected[base] + c if base in collected else c
        if c == 0 and base is not None:
            zeros[base] = None
    constant = collected.pop(None, Fraction(0))
    # x + 0*x is not x where x is infinite.
    lost = [scaled(Fraction(0), base) for base in zeros if collected[base] != 0]
    collected, constant = add_sizes(_merge_masks(collected), constant, type_.dtype)
    parts = [*(scaled(c, base) for base, c in collected.items()), *lost]
    if constant or not parts:
        parts.append(constant_node(constant, type_.dtype))
    if len(parts) > 1:
        parts = ordered(parts)
        return _shaped(node(lookup("add"), tuple(parts)), type_)
    return _shaped(parts[0], type_)


def _merge_masks(collected: dict[Node | None, Fraction]) -> dict[Node | None, Fraction]:
    """Terms that are masked by one condition become one masked sum."""
    groups: dict[Node, list[Node]] = {}
    for base in collected:
        if base is not None and base.op.name == "mask":
            groups.setdefault(base.inputs[0], []).append(base)
    for condition, bases in groups.items():
        if len(bases) > 1 and (not condition.type.shape or len({b.type.shape for b in bases}) == 1):
            terms = [(collected.pop(b), b.inputs[1]) for b in bases]
            inner = build_sum(
                terms, ArrayType(bases[0].type.dtype, broadcast_shapes("add", [b.inputs[1].type for b in bases]))
            )
            collected[node(lookup("mask"), (condition, inner))] = ONE
    return collected


def _shaped(x: Node, type_: ArrayType) -> Node:
    """`x`, broadcast to the shape of `type_` if what was left out had made it larger."""
    if x.type.shape == type_.shape:
        return x
    first = len(type_.shape) - len(x.type.shape)
    sizes = dict(enumerate(type_.shape))
    labels = [k if n == type_.shape[k] else 100 + k for k, n in enumerate(x.type.shape, first)]
    return reduce_einsum([x], [labels], list(sizes), sizes, x.type.dtype, [True])


@step("add")
def _add(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    return build_sum(_sum_terms(list(zip(inputs, free, [1] * len(inputs), strict=True))), x.type)


@step("sub")
def _sub(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    return build_sum(_sum_terms(list(zip(inputs, free, (1, -1), strict=True))), x.type)


@step("neg")
def _neg(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    return build_sum(_sum_terms(list(zip(inputs, free, (-1,), strict=True))), x.type)


# ---- products and quotients

class Product:
    """A product under construction: a number, and integer powers of nodes above and below the line."""

    def __init__(self) -> None:
        self.number = ONE
        self.above: dict[Node, int] = {}
        self.below: dict[Node, int] = {}

    def take(self, x: Node, power: int, may: bool) -> None:
        """Multiplies by ``x**power``; a product or quotient is taken apart if `may` or if it is small."""
        for f, k in factors_of(thin(x), power, may):
            value = number_of(f)
            if value is not None and (value or k > 0):
                self.number *= value**k
            elif f.op.name == "pow" and (exponent := _integer(f.inputs[1])) is not None:
                self._put(f.inputs[0], exponent * k)
            else:
                self._put(f, k)

    def take_power(self, x: Node, power: int) -> None:
        """Multiplies by ``x**power`` without taking anything but a number out of it."""
        c, rest = split(x)
        if c != ONE and rest is not None and _moderate(c, power):
            self.number *= power_of(c, power)
            x = rest
        self._put(x, power)

    def _put(self, x: Node, power: int) -> None:
        side = self.above if power > 0 else self.below
        side[x] = side.get(x, 0) + abs(power)

    def build(self, type_: ArrayType, *, merge: bool = True) -> Node:
        """The canonical node of the product, of the given type; with `merge`, array products take in other arrays."""
        if merge:
            self._merge()
        self.above, self.below = multiply_sizes(self.above, type_.dtype), multiply_sizes(self.below, type_.dtype)
        if self.number == -1 and not self.below and len(self.above) == 1:
            ((only, power),) = self.above.items()
            if power == 1 and only.op.name == "add" and len(only.inputs) <= SMALL:
                return build_sum([(-c, base) for c, base in map(split, only.inputs)], type_)
        p, q = as_ratio(self.number, type_.dtype)
        numerator = _line(p, self.above, type_.dtype)
        if not self.below and q == ONE:
            return _shaped(numerator, type_)
        return _shaped(node(lookup("div"), (numerator, _line(q, self.below, type_.dtype))), type_)

    def _merge(self) -> None:
        if any(x.type.shape for x in self.below) and any(has_delta(x) for x in self.above if x.type.shape):
            self._gather_below()
        factors = [raised(base, k) for base, k in self.above.items()]
        merged, self.number = multiply_into_einsum(factors, self.number)
        if merged is not factors:
            self.above = {}
            for x in merged:
                self.take(x, 1, False) if not x.type.shape else self._put(x, 1)


    def _gather_below(self) -> None:
        """Makes one factor of the arrays other than identities, above and below: no identity is divided by an array."""
        quotient = Product()
        for side, others in ((self.above, quotient.above), (self.below, quotient.below)):
            for x in [x for x in side if x.type.shape and not has_delta(x)]:
                others[x] = side.pop(x)
        operands = [ArrayType(x.type.dtype, x.type.shape) for x in (*quotient.above, *quotient.below)]
        type_ = ArrayType(operands[0].dtype, broadcast_shapes("div", operands))
        self._put(quotient.build(type_), 1)


def factors_of(x: Node, power: int, may: bool) -> list[tuple[Node, int]]:
    """The factors of ``x**power`` with their powers: those of a product or quotient if `may` or if they are few.

    A product inside a product was left whole because it is large and shared; it stays so, or chains would become
    quadratic."""
    if abs(power) != 1:
        return [(x, power)]
    lines = [(x, power)]
    if x.op.name == "div":
        lines = [(x.inputs[0], power), (x.inputs[1], -power)]
    found = [(f, k) for line, k in lines for f in (line.inputs if line.op.name == "mul" else (line,))]
    return found if may or len(found) <= SMALL else [(x, power)]


def _integer(x: Node) -> int | None:
    value = number_of(x)
    return int(value) if value is not None and value.denominator == 1 and value and abs(value) < 2**31 else None


def _line(number: Fraction, powers: dict[Node, int], dtype: str) -> Node:
    factors = [raised(base, k) for base, k in powers.items()]
    if number != ONE or not factors:
        factors = [constant_node(number, dtype), *ordered(factors)]
    elif len(factors) > 1:
        factors = ordered(factors)
    return factors[0] if len(factors) == 1 else node(lookup("mul"), tuple(factors))


def raised(base: Node, power: int) -> Node:
    """``base ** power`` for a positive integer."""
    return base if power == 1 else node(lookup("pow"), (base, constant_node(power, base.type.dtype)))


def scaled(number: Fraction, base: Node | None) -> Node:
    """A number times a canonical node without a coefficient."""
    assert base is not None
    if number == ONE:
        return base
    product = Product()
    product.number = number
    if base.op.name in ("mul", "div"):
        product.take(base, 1, True)
    else:
        product.take(base, 1, False)
    return product.build(base.type)


def _product(x: Node, inputs: Iterable[tuple[Node, bool, int]]) -> Node:
    """The product of powers of nodes.  A product that occurs twice is not taken apart: ``(x*y)*(x*y)`` is (x*y)**2."""
    product = Product()
    uses: dict[tuple[Node, int], list[bool]] = {}
    for i, may, power in inputs:
        uses.setdefault((i, power), []).append(may)
    for (i, power), mays in uses.items():
        if len(mays) > 1 and i.op.name in ("mul", "div"):
            product.take_power(i, power * len(mays))
        else:
            product.take(i, power * len(mays), all(mays))
    return product.build(x.type)


@step("mul")
def _mul(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    if x.type.dtype == "bool":
        return node(x.op, inputs)
    return _product(x, zip(inputs, free, [1] * len(inputs), strict=True))


@step("div")
def _div(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    return _product(x, zip(inputs, free, (1, -1), strict=True))


@step("pow")
def _pow(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    base, exponent = inputs
    k = number_of(exponent)
    if k is None:
        return node(x.op, inputs)
    if k == 0:
        return _shaped(constant_node(1, x.type.dtype), x.type)
    if k.denominator != 1 or abs(k) >= 2**31:
        return node(x.op, inputs)
    power = int(k)
    product = Product()
    if base.op.name == "pow" and (inner := _integer(base.inputs[1])) is not None:
        base, power = base.inputs[0], power * inner
    c, rest = split(base)
    if c != ONE and rest is not None and _moderate(c, power):
        product.number = power_of(c, power)
        base = rest
    if power == 1 or (number_of(base) is not None and _moderate(c, power)):
        product.take(base, power, True)
    else:
        product._put(base, power)
    return product.build(x.type)


def _moderate(c: Fraction, power: int) -> bool:
    """Whether ``c**power`` is a number that can neither over- nor underflow."""
    return c in (1, -1) or (c != 0 and abs(power) <= 16 and Fraction(1, 10**30) < abs(c) ** abs(power) < 10**30)


# ---- sizes

@step("size")
def _size(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    n = size_of(x)
    assert n is not None
    number, rest = primitive(n)
    return x if number == 1 else scaled(Fraction(number), size_node(rest, x.type.dtype))


@step("floordiv")
def _floordiv(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    n, divisor = dim_of_node(inputs[0]), number_of(inputs[1])
    if x.type != ArrayType("i64") or not isinstance(n, Size) or divisor is None or divisor <= 0:
        return node(x.op, inputs)
    return rebuild(size(floordiv(n, int(divisor))).node)


# ---- array products

@step("einsum")
def _einsum(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    return einsum_of_product(x, inputs, free)


# ---- selections and conversions

NEAR = 40
"""In so many nodes a mask is looked for inside another."""


@step("mask")
def _mask(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    condition, value = inputs
    if value.op.name == "mask" and value.inputs[0] is condition:
        return value
    if not condition.type.shape:
        value = _where_it_holds(condition, value)
    if condition.op.name == "constant" and constant_value(condition).all() and value.type.shape == x.type.shape:
        return value
    c, base = split(value)
    if c == ONE or base is None:
        return node(x.op, (condition, value))
    return scaled(c, node(x.op, (condition, base)))


def _where_it_holds(condition: Node, value: Node) -> Node:
    """`value` with what it masks by the scalar `condition` itself laid open: where that does not hold, all of `value`
    is masked.  Looks through sums and products, not far."""
    order: list[Node] = []
    pending = [(value, False)]
    while pending:
        x, done = pending.pop()
        if done:
            order.append(x)
        elif x.op.name in ("add", "mul", "div", "einsum", "mask") and x not in order:
            if len(order) + len(pending) > NEAR:
                return value
            pending += [(x, True), *((i, False) for i in x.inputs)]
    new: dict[Node, Node] = {}
    for x in order:
        inputs = tuple(new.get(i, i) for i in x.inputs)
        if x.op.name == "mask" and inputs[0] is condition and inputs[1].type.shape == x.type.shape:
            new[x] = inputs[1]
        elif inputs != x.inputs:
            new[x] = rebuild(node(x.op, inputs, x.params))
    return new.get(value, value)


@step("where")
def _where(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    condition, a, b = inputs
    if a is b and a.type.shape == x.type.shape:
        return a
    if condition.op.name == "constant" and not condition.type.shape:
        chosen = a if constant_value(condition).item() else b
        if chosen.type.shape == x.type.shape:
            return chosen
    return node(x.op, inputs)


@step("maximum", "minimum")
def _extremum(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    a, b = sorted(inputs, key=key)
    made = node(x.op, (a, b))
    n = dim_of_node(made) if x.type == ArrayType("i64") and not x.type.shape else None
    return a if a is b else made if n is None else rebuild(size(n).node)


@step("equal", "not_equal", "logical_and", "logical_or", "logical_xor", "hypot", "logaddexp")
def _commutative(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    return node(x.op, tuple(sorted(inputs, key=key)))


@step("cast")
def _cast(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    (value,) = inputs
    dtype = x.type.dtype
    if value.type.dtype == dtype:
        return value
    if value.op.name == "size":
        return node(value.op, (), (value.params[0], dtype))
    if value.op.name == "constant":
        data = x.op.evaluate([constant_value(value)], x.params, {})
        return node(value.op, (), (dtype, value.params[1], data.tobytes()))
    if value.op.name == "delta":
        return node(value.op, (), (value.params[0], dtype))
    if value.op.name == "einsum" and value.type.dtype == "bool" and any(map(has_delta, value.inputs)):
        labels, out, extra = value.params
        if all(k in out for ls in labels for k in ls):  # diag(c): a product of truth values is that of their numbers
            parts = tuple(_cast(node(x.op, (i,), x.params), (i,), (True,)) for i in value.inputs)
            return rebuild(node(value.op, parts, (labels, out, extra)))
    if value.op.name in ("add", "mul") and value.type.dtype == "i64" and is_float(dtype) and _of_sizes(value):
        parts = tuple(_cast(node(x.op, (i,), x.params), (i,), (True,)) for i in value.inputs)
        return rebuild(node(value.op, parts))
    return node(x.op, inputs, x.params)


def _of_sizes(x: Node) -> bool:
    return all(i.op.name in ("size", "constant") and not i.type.shape for i in x.inputs)


@step("slice", "unslice")
def _slice(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    cuts: tuple[Any, ...] = x.params[0]
    shape = x.type.shape if x.op.name == "unslice" else inputs[0].type.shape
    whole = shape[len(shape) - len(cuts) :]
    if all(n == m and ((first == 0 and step == 1) or (first == m - 1 and step == -1))
           for (first, n, step), m in zip(cuts, whole, strict=True)):  # fmt: skip
        if all(step == 1 for _, _, step in cuts):
            return inputs[0]
        x = node(lookup("slice"), inputs, (cuts,))
    c, base = split(inputs[0])
    if base is None or c == ONE:
        return node(x.op, inputs, x.params)
    return scaled(c, node(x.op, (base,), x.params))
