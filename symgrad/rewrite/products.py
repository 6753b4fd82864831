"""The canonical form of array products: nested products become one einsum, identities are substituted away.

A product is a bag of factors with labelled axes.  Factors that are products, quotients by scalars or einsums are taken
apart; scalars and numbers come out to the front; an identity with a summed label is a renaming of that label, so no
identity is ever multiplied (`x' A x` has the Hessian A + A').  Distribution over a sum happens only where it removes an
identity.  What is left is an elementwise product if the labels allow it and an einsum otherwise; its factors stand in
structural order, with the smallest labelling among those of equal factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import permutations, product

from ..compiler.types import ArrayType, Dim
from ..graph import Node, lookup, node
from ..ops.contraction import einsum_node, label_sizes
from .order import key
from .symmetry import is_symmetric
from .terms import ONE, constant_node, number_of, split

LARGEST = 12
"""A shared einsum is merged into another only while the result has at most so many factors."""

Labels = tuple[int, ...]
Factor = tuple[Node, Labels]


@dataclass
class Bag:
    """A product of labelled factors under construction; `out` are the labels that stay."""

    out: Labels
    sizes: dict[int, Dim]
    dtype: str
    number: Fraction = ONE
    above: list[Node] = field(default_factory=list)
    below: list[Node] = field(default_factory=list)
    factors: list[Factor] = field(default_factory=list)
    deltas: list[Factor] = field(default_factory=list)
    masks: list[Factor] = field(default_factory=list)
    opens: bool = True
    """Whether masks of identities are taken apart: the mask is then one of the result."""

    def fresh(self, size: Dim) -> int:
        """A new label of the given size."""
        label = max(self.sizes, default=-1) + 1
        self.sizes[label] = size
        return label

    def take(self, x: Node, labels: Labels, may: bool) -> None:
        """Multiplies by `x`, taken apart where that is allowed."""
        pending = [(x, labels, may)]
        while pending:
            x, labels, may = pending.pop()
            for label, n in zip(labels, x.type.shape, strict=True):
                self.sizes.setdefault(label, n)
            c, base = split(x)
            if c != ONE and not (c == 0 and base is not None):
                self.number *= c
                if base is None:
                    continue
                pending += self._aligned((base,), labels, may)
            elif not x.type.shape:
                self.above.append(x)
            elif x.op.name == "delta":
                self.deltas.append((x, labels))
            elif x.op.name == "mask" and _comes_out(x) and len(set(labels)) == len(labels):
                (condition, own, _), value = self._aligned(x.inputs, labels, True)[::-1]
                mask = _spread(condition, own)
                if any(k not in labels for k in mask[1]):
                    self.factors.append((x, labels))
                elif self.opens or not mask[1]:
                    self.masks += [mask] if mask not in self.masks else []
                    pending.append(value)
                else:
                    self._take_masked(mask, value[0], value[1], labels)
            elif x.op.name == "div" and x.inputs[1].type.shape and has_delta(x.inputs[0]):
                top, (below, own, _) = self._aligned(x.inputs, labels, True)[::-1]
                pending += [top, (inverse(below), own, True)]
            elif x.op.name == "mul" and (may or len(x.inputs) + len(self.factors) <= LARGEST):
                pending += self._aligned(x.inputs, labels, False)
            elif x.op.name == "div" and not x.inputs[1].type.shape:
                self.below.append(x.inputs[1])
                pending += self._aligned(x.inputs[:1], labels, True)
            elif x.op.name == "einsum" and (may or len(x.inputs) + len(self.factors) <= LARGEST):
                pending += self._inner(x, labels)
            else:
                self.factors.append((x, labels))

    def _take_masked(self, mask: Factor, value: Node, own: Labels, labels: Labels) -> None:
        """Multiplies by a masked product: by its identities, and by the rest of it with the mask."""
        inner = Bag(labels, self.sizes, self.dtype, masks=[mask])
        inner.take(value, own, True)
        inner.eliminate()
        used = {k for _, ls in (*inner.factors, *inner.masks) for k in ls}
        rest = Bag(tuple(k for k in labels if k in used), self.sizes, self.dtype)
        rest.masks = inner.masks
        pairs: list[Factor] = inner.factors or [(constant_node(1, self.dtype), ())]
        nodes, places = [x for x, _ in pairs], [ls for _, ls in pairs]
        sizes = {k: self.sizes[k] for k in rest.out}
        total = reduce_einsum(nodes, places, rest.out, sizes, self.dtype, [False] * len(pairs))
        for k in used.difference(labels):
            del self.sizes[k]
        number, base = split(rest.masked(total))
        self.factors.append((base or constant_node(1, self.dtype), rest.out if base else ()))
        self.number *= number * inner.number
        self.above += inner.above
        self.below += inner.below
        self.deltas += inner.deltas

    def _aligned(self, inputs: Sequence[Node], labels: Labels, may: bool) -> list[tuple[Node, Labels, bool]]:
        """Operands of an elementwise operation with the labels of their axes; broadcast unit axes get labels of their
        own."""
        found = []
        for x in reversed(inputs):
            used = labels[len(labels) - len(x.type.shape) :]
            own = tuple(
                self.fresh(1) if n == 1 and self.sizes[label] != 1 else label
                for label, n in zip(used, x.type.shape, strict=True)
            )
            found.append((x, own, may))
        return found

    def _inner(self, x: Node, labels: Labels) -> list[tuple[Node, Labels, bool]]:
        inner, out, _ = x.params
        rename = dict(zip(out, labels, strict=True))
        for label, n in label_sizes(x).items():
            if label not in rename:
                rename[label] = self.fresh(n)
        pairs = list(zip(x.inputs, inner, strict=True))
        return [(i, tuple(rename[k] for k in ls), False) for i, ls in reversed(pairs)]

    def eliminate(self) -> None:
        """Substitutes identities that have a summed label and drops those that say nothing.

        The other factors have the first of two labels that an identity of the result ties."""
        kept: list[Factor] = []
        while self.deltas:
            x, (i, j) = self.deltas.pop(0)
            if i == j or (x, (j, i)) in kept or (x, (i, j)) in kept:
                continue
            if j in self.out and i in self.out:
                kept.append((x, (i, j) if self.out.index(i) < self.out.index(j) else (j, i)))
                continue
            old, new = (j, i) if j not in self.out else (i, j)
            rename = {old: new}
            self.factors = [(f, tuple(rename.get(k, k) for k in ls)) for f, ls in self.factors]
            self.deltas = [(f, tuple(rename.get(k, k) for k in ls)) for f, ls in self.deltas]
            self.masks = [(f, tuple(rename.get(k, k) for k in ls)) for f, ls in self.masks]
            kept = [(f, tuple(rename.get(k, k) for k in ls)) for f, ls in kept]
            del self.sizes[old]
        self.deltas = kept
        first: dict[int, int] = {}
        for _, (i, j) in kept:
            first[j] = first.get(i, i)
        self.factors = [(f, tuple(first.get(k, k) for k in ls)) for f, ls in self.factors]
        self.masks = [(f, tuple(first.get(k, k) for k in ls)) for f, ls in self.masks]

    def masked(self, x: Node) -> Node:
        """`x`, the result, with the masks that were taken out of its factors."""
        from .canonical import rebuild

        for condition, ls in self.masks:
            used = self.out[min((self.out.index(k) for k in ls), default=len(self.out)) :]
            if ls != used:
                axes = tuple(k if k in ls else self.fresh(1) for k in used)
                condition = einsum_node([condition], [ls], axes, self.sizes)
            x = rebuild(node(lookup("mask"), (condition, x)))
        return x

    def _untie_units(self) -> None:
        """A summed axis of size 1 ties no factors: each has a label of its own."""
        seen: set[int] = set()
        for n, (x, ls) in enumerate(self.factors):
            tied = {k for k in ls if k in seen and self.sizes[k] == 1 and k not in self.out}
            if tied:
                rename = {k: self.fresh(1) for k in tied}
                self.factors[n] = (x, tuple(rename.get(k, k) for k in ls))
            seen.update(ls)

    def collect(self) -> None:
        """Equal factors with equal labels become powers, a quotient one with the factors of its labels; summed labels
        that no factor has become numbers."""
        self._join_quotients()
        self._untie_units()
        powers: dict[Factor, int] = {}
        for x, ls in self.factors:
            base, k = x, 1
            if (
                x.op.name == "pow"
                and (value := number_of(x.inputs[1])) is not None
                and value.denominator == 1
                and value > 0
            ):
                base, k = x.inputs[0], int(value)
                if base.type.shape != x.type.shape:
                    base, k = x, 1
            powers[base, ls] = powers.get((base, ls), 0) + k
        self.factors = [
            (b if k == 1 else node(lookup("pow"), (b, constant_node(k, self.dtype))), ls)
            for (b, ls), k in powers.items()
        ]
        known = {k for _, ls in (*self.factors, *self.deltas) for k in ls}
        for label in [k for k in self.sizes if k not in known and k not in self.out]:
            n = self.sizes.pop(label)
            if isinstance(n, int):
                self.number *= n
            else:
                self.above.append(node(lookup("size"), (), (n, self.dtype)))

    def _join_quotients(self) -> None:
        alike: dict[Labels, list[Node]] = {}
        for x, ls in self.factors:
            alike.setdefault(ls, []).append(x)
        for ls, xs in alike.items():
            if len(xs) > 1 and any(x.op.name == "div" for x in xs):
                joined = elementwise_product(xs, ArrayType(self.dtype, tuple(self.sizes[k] for k in ls)))
                number, rest = split(joined)
                self.number *= number
                self.factors = [f for f in self.factors if f[1] != ls]
                if rest is not None:
                    self.factors.append((rest, ls))

    def separate(self) -> None:
        """Factors that share no label, directly or through others, with the result become scalar products of their
        own."""
        groups: list[tuple[set[int], list[Factor]]] = []
        for f in self.factors:
            labels, members = set(f[1]), [f]
            apart = []
            for g in groups:
                if g[0] & labels:
                    labels |= g[0]
                    members = g[1] + members
                else:
                    apart.append(g)
            groups = [*apart, (labels, members)]
        kept = {k for _, ls in self.deltas for k in ls} | set(self.out)
        inner = [g for g in groups if not g[0] & kept]
        if len(groups) == 1 and not self.out and inner:
            return
        for labels, members in inner:
            sizes = {k: self.sizes.pop(k) for k in labels}
            self.factors = [f for f in self.factors if f not in members]
            self.above.append(Bag((), sizes, self.dtype, factors=members)._einsum())

    def core(self) -> list[Node]:
        """The factors that are arrays: one einsum, the operands of an elementwise product, or nothing."""
        if not self.factors and not self.deltas:
            return []
        if self._elementwise():
            return [x for x, _ in self.factors]
        if len(self.factors) == 0 and len(self.deltas) == 1 and self.deltas[0][1] == self.out:
            return [self.deltas[0][0]]
        if (
            len(self.factors) == 1
            and not self.deltas
            and self._turned(self.factors[0], {k: p for p, k in enumerate(self.out)})[1] == self.out
        ):
            return [self.factors[0][0]]
        return [self._einsum()]

    def _elementwise(self) -> bool:
        covered = {k for _, ls in self.factors for k in ls}
        aligned = all(ls == self.out[len(self.out) - len(ls) :] for _, ls in self.factors)
        full = any(len(ls) == len(self.out) for _, ls in self.factors)
        return not self.deltas and aligned and full and covered == set(self.out) and covered == set(self.sizes)

    def _einsum(self) -> Node:
        place = {k: p for p, k in enumerate(self.out)}

        def signature(factor: Factor) -> tuple[object, ...]:
            return tuple((0, place[k]) if k in place else (1, -1) for k in factor[1])

        turned = [self._turned(f, place) for f in self.factors]
        chosen = sorted(turned, key=lambda f: (key(f[0]), signature(f)))
        groups: list[list[Factor]] = []
        for f in chosen:
            if groups and groups[-1][0][0] is f[0] and signature(groups[-1][0]) == signature(f):
                groups[-1].append(f)
            else:
                groups.append([f])
        candidates = [chosen]
        count = 1
        for g in groups:
            count *= max(1, len(g)) if len(g) < 5 else 1000
        if 1 < count <= 24:
            candidates = [[f for g in choice for f in g] for choice in product(*(permutations(g) for g in groups))]
        return min((self._node([*c, *self.deltas]) for c in candidates), key=lambda n: repr(n.params))

    def _turned(self, factor: Factor, place: Mapping[int, int]) -> Factor:
        """A symmetric factor with its labels in the order of the result, summed ones last."""
        x, ls = factor
        if len(ls) != 2 or x.op.name in ("symbol", "constant") or ls[0] == ls[1] or not is_symmetric(x):
            return factor
        last = len(place)
        return (x, ls) if (place.get(ls[0], last), ls[0]) <= (place.get(ls[1], last), ls[1]) else (x, (ls[1], ls[0]))

    def _node(self, factors: Sequence[Factor]) -> Node:
        return einsum_node([x for x, _ in factors], [ls for _, ls in factors], self.out, self.sizes)


def _comes_out(x: Node) -> bool:
    """Whether a mask is taken out of products: one of an identity, and one that is all or nothing."""
    return not x.inputs[0].type.shape or has_delta(x.inputs[1])


def _spread(x: Node, labels: Labels) -> Factor:
    """`x` without axes of size 1 that an einsum put between its own, and without exchanges of axes."""
    while x.op.name == "einsum" and len(x.inputs) == 1:
        (inner,), out, _ = x.params
        place = dict(zip(out, labels, strict=True))
        if any(k not in place for k in inner):
            break
        x, labels = x.inputs[0], tuple(place[k] for k in inner)
    return x, labels


def _distributable(x: Node, labels: Labels, out: Labels, alone: bool) -> bool:
    """Whether `x`, `alone` in an einsum or not, is a sum whose terms are products of less when they are taken one by
    one.

    Where the einsum sums over some of its labels, an identity in a term is substituted away, or stands outside of the
    summation instead of in every summand; in a mere sum all terms must have one.  Of products of arrays that it takes
    the diagonal of, only the diagonal is computed."""
    terms = _summands(x)
    if any(k not in out for k in labels):
        if alone and any(n != 1 for k, n in zip(labels, x.type.shape, strict=True) if k not in out):
            return x.op.name == "add" and all(has_delta(t) or _holds_deltas(t) for t in terms)
        return any(len(t.type.shape) == len(labels) and has_delta(t) for t in terms)
    return len(set(labels)) < len(labels) and any(_is_einsum(t) for t in terms)


def _holds_deltas(term: Node) -> bool:
    """Whether a term is an array product with a sum of nothing but identities, times other factors each, in it."""
    _, base = split(term)
    return _is_einsum(term) and base is not None and any(
        bool(i.inputs) and i.op.name == "add" and all(map(has_delta, i.inputs)) for i in base.inputs
    )


def _is_einsum(term: Node) -> bool:
    """Whether a term is a number times a product of arrays."""
    _, base = split(term)
    return base is not None and base.op.name == "einsum"


def _summands(x: Node) -> list[Node]:
    """The terms of a sum or of a masked sum; nothing for what is none."""
    if x.op.name == "mask" and x.inputs[1].op.name == "add":
        condition, total = x.inputs
        return [node(x.op, (condition, t)) for t in total.inputs]
    return list(x.inputs) if x.op.name == "add" else []


def has_delta(term: Node) -> bool:
    """Whether a canonical term is an identity times or by other factors, masked or not."""
    pending = [term]
    while pending:
        x = pending.pop()
        if x.op.name == "delta" or (x.op.name == "einsum" and any(i.op.name == "delta" for i in x.inputs)):
            return True
        if x.op.name == "mul":
            pending += [i for i in x.inputs if i.type.shape]
        elif x.op.name in ("div", "mask"):
            pending.append(x.inputs[x.op.name == "mask"])
    return False


def inverse(x: Node) -> Node:
    """The canonical form of 1/x."""
    from .canonical import rebuild

    return rebuild(node(lookup("div"), (constant_node(1, x.type.dtype), x)))


def reduce_einsum(
    operands: Sequence[Node], labels: Sequence[Sequence[int]], out: Sequence[int], sizes: Mapping[int, Dim], dtype: str,
    free: Sequence[bool],
) -> Node:  # fmt: skip
    """The canonical node of an einsum of canonical operands; `sizes` are those of result labels that no operand has."""
    bag = fill_outside(operands, labels, out, sizes, dtype, free)
    alone = len(bag.factors) + len(bag.deltas) == 1
    for k, (x, ls) in enumerate(bag.factors):
        if _distributable(x, ls, bag.out, alone):
            return bag.masked(_distributed(bag, k))
    return bag.masked(_product(bag))


def _product(bag: Bag) -> Node:
    """The product of what is in the bag."""
    from .canonical import Product

    bag.separate()
    total = Product()
    total.number = bag.number
    core = bag.core()
    for scalars, power in ((bag.above, 1), (bag.below, -1)):
        for s in scalars:
            total.take(s, power, True)
    shape = tuple(bag.sizes[k] for k in bag.out)
    if core:
        for x in core:
            total._put(x, 1)
        return total.build(ArrayType(bag.dtype, shape), merge=False)
    scalar = total.build(ArrayType(bag.dtype))
    return scalar if not bag.out else einsum_node([scalar], [()], bag.out, bag.sizes)


def fill(
    operands: Sequence[Node], labels: Sequence[Sequence[int]], out: Sequence[int], sizes: Mapping[int, Dim], dtype: str,
    free: Sequence[bool], opens: bool = True,
) -> Bag:  # fmt: skip
    """The bag of the factors of an einsum, with identities eliminated and equal factors collected."""
    known = dict(sizes)
    for x, ls in zip(operands, labels, strict=True):
        known.update(zip(ls, x.type.shape, strict=True))
    bag = Bag(tuple(out), known, dtype, opens=opens)
    for x, ls, may in zip(operands, labels, free, strict=True):
        bag.take(x, tuple(ls), may)
    bag.eliminate()
    bag.collect()
    return bag


def fill_outside(
    operands: Sequence[Node], labels: Sequence[Sequence[int]], out: Sequence[int], sizes: Mapping[int, Dim], dtype: str,
    free: Sequence[bool],
) -> Bag:  # fmt: skip
    """The bag with masks of identities taken out, where they are masks of the result."""
    bag = fill(operands, labels, out, sizes, dtype, free)
    if all(k in bag.out for _, ls in bag.masks for k in ls):
        return bag
    return fill(operands, labels, out, sizes, dtype, free, opens=False)


def _distributed(bag: Bag, k: int) -> Node:
    """The sum of the products with each term of the factor `k` in its place."""
    from .canonical import build_sum

    total, labels = bag.factors[k]
    one = constant_node(1, bag.dtype)
    scalars = [*bag.above, *(node(lookup("div"), (one, s)) for s in bag.below)]
    others = [*bag.factors[:k], *bag.factors[k + 1 :], *bag.deltas]
    terms = []
    for term in _summands(total):
        own = labels[len(labels) - len(term.type.shape) :]
        sizes = dict(bag.sizes)
        spare = max(sizes) + 1
        used: list[int] = []
        for label, n in zip(own, term.type.shape, strict=True):
            broadcast = n == 1 and sizes[label] != 1
            used.append(spare + len(used) if broadcast else label)
        pairs: list[Factor] = [*((s, ()) for s in scalars), *others, (term, tuple(used))]
        nodes, places = [x for x, _ in pairs], [ls for _, ls in pairs]
        c, base = split(reduce_einsum(nodes, places, bag.out, sizes, bag.dtype, [False] * len(nodes)))
        inner = [(ONE, base)] if base is None or base.op.name != "add" else map(split, base.inputs)
        terms += [(bag.number * c * d, part) for d, part in inner]
    return build_sum(terms, ArrayType(bag.dtype, tuple(bag.sizes[i] for i in bag.out)))


def einsum_of_product(x: Node, inputs: tuple[Node, ...], free: Sequence[bool]) -> Node:
    """The canonical form of an einsum node on canonical inputs."""
    labels, out, extra = x.params
    return reduce_einsum(inputs, labels, out, dict(extra), x.type.dtype, free)


def multiply_into_einsum(factors: list[Node], number: Fraction) -> tuple[list[Node], Fraction]:
    """The factors of an elementwise product in which array products have taken in the other arrays."""
    arrays = [x for x in factors if x.type.shape]
    if len(arrays) < 2 or not any(x.op.name == "einsum" or has_delta(x) for x in arrays):
        return factors, number
    rank = max(len(x.type.shape) for x in arrays)
    sizes: dict[int, Dim] = dict.fromkeys(range(rank), 1)
    for x in arrays:
        for k, n in enumerate(x.type.shape, rank - len(x.type.shape)):
            if n != 1:
                sizes[k] = n
    spare = rank
    labels = []
    for x in arrays:
        ls = []
        for k, n in enumerate(x.type.shape, rank - len(x.type.shape)):
            if n == 1 and sizes[k] != 1:
                ls.append(spare)
                spare += 1
            else:
                ls.append(k)
        labels.append(ls)
    free = [len(x.inputs) <= LARGEST for x in arrays]
    bag = fill_outside(arrays, labels, range(rank), sizes, arrays[0].type.dtype, free)
    if bag.below:
        return factors, number
    bag.separate()
    core = bag.core() or [einsum_node([constant_node(1, bag.dtype)], [()], bag.out, bag.sizes)]
    if bag.masks:
        core = [bag.masked(elementwise_product(core, ArrayType(bag.dtype, tuple(bag.sizes[k] for k in bag.out))))]
    return [x for x in factors if not x.type.shape] + bag.above + core, number * bag.number


def elementwise_product(factors: Sequence[Node], type_: ArrayType) -> Node:
    """The canonical product of arrays, element by element."""
    from .canonical import Product

    product = Product()
    for x in factors:
        product.take(x, 1, True)
    return product.build(type_, merge=False)
