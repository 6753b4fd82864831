"""In which order products are multiplied: a pass from graph to graph that costs fewer operations and changes no
meaning.

An einsum of many operands becomes a tree of einsums of two, the cheapest for the given sizes: exactly by dynamic
programming over subsets for up to LARGEST_EXACT operands, greedily beyond.  A label that only one operand has is
summed first.  An identity among the operands is never multiplied: summed labels are renamed, and what is left over
is put on the diagonal last.  In an elementwise product the factors of few axes are multiplied first.  Equal
intermediates are equal nodes, so what two products share is computed once.

Every choice follows sizes and structure, and ties the order of the operands, so that a formula has one plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .compiler.types import Dim, evaluate, names
from .expression import constant
from .graph import Node, lookup, node, postorder
from .ops.contraction import einsum_node, label_sizes
from .outer_products import pull_outer_factors
from .rewrite.order import key

LARGEST_EXACT = 6
FAN_IN = 8
TYPICAL_SIZE = 100
"""What a named size is taken to be where nothing is known of it."""

Labels = tuple[int, ...]
Factor = tuple[Node, Labels]
Estimate = Callable[[Dim], int]


def plan(roots: Sequence[Node], sizes: Mapping[str, int] | None = None) -> list[Node]:
    """`roots` with products re-associated; `sizes` are numbers that the size names are likely to have."""
    return _Plan(sizes or {}).graph(pull_outer_factors(roots))


def depends_on_sizes(roots: Sequence[Node]) -> bool:
    """Whether `plan` may choose differently for other sizes: some product has three or more operands."""
    return any(
        x.op.name == "einsum" and sum(i.op.name != "delta" for i in x.inputs) > 2 for x in postorder(roots)
    )


class _Plan:
    """`shared` are products of two factors that are computed anyhow: those that a formula says so, and those
    planned."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.shared: set[Node] = set()

    def graph(self, roots: Sequence[Node]) -> list[Node]:
        self.shared.update(x for x in postorder(roots) if x.op.name == "einsum" and len(x.inputs) == 2)
        new: dict[Node, Node] = {}
        for x in postorder(roots):
            inputs = tuple(new[i] for i in x.inputs)
            if x.op.name == "einsum":
                new[x] = _Product(x, inputs, self.estimate, self.shared).node()
                self.shared.add(new[x])
            elif x.op.name == "mul" and len(inputs) > 2:
                new[x] = _multiply(inputs, self.estimate)
            elif x.op.name == "concatenate" and len(inputs) > FAN_IN:
                new[x] = _concatenate(x, inputs)
            else:
                same = all(a is b for a, b in zip(inputs, x.inputs, strict=True))
                new[x] = x if same else node(x.op, inputs, x.params)
        return [new[root] for root in roots]

    def estimate(self, n: Dim) -> int:
        """About how large a size is; at least 1, so that an empty axis does not make everything free."""
        if isinstance(n, int):
            return max(n, 1)
        return max(evaluate(n, {name: self.sizes.get(name, TYPICAL_SIZE) for name in names(n)}), 1)


def _concatenate(x: Node, parts: Sequence[Node]) -> Node:
    """A concatenation as a tree: an element of the result is a selection among all operands of one node."""
    while len(parts) > FAN_IN:
        parts = [
            node(x.op, tuple(group), x.params) if len(group) > 1 else group[0]
            for group in (parts[k : k + FAN_IN] for k in range(0, len(parts), FAN_IN))
        ]
    return node(x.op, tuple(parts), x.params)


# ---- elementwise products

def _multiply(factors: Sequence[Node], estimate: Estimate) -> Node:
    """A product in which factors over few axes are multiplied before they meet those over more."""
    groups: dict[frozenset[tuple[int, Dim]], list[Node]] = {}
    for x in factors:
        rank = len(x.type.shape)
        groups.setdefault(frozenset((k - rank, n) for k, n in enumerate(x.type.shape) if n != 1), []).append(x)
    places = {axes: k for k, axes in enumerate(groups)}
    waiting = sorted(groups, key=lambda axes: (_volume((n for _, n in axes), estimate), places[axes]))
    last: list[Node] = []
    while waiting:
        axes = waiting.pop(0)
        together = _times(groups[axes])
        wider = next((other for other in waiting if axes < other), None)
        if wider is None:
            last.append(together)
        else:
            groups[wider].insert(0, together)
    return _times(last)


def _times(factors: Sequence[Node]) -> Node:
    return factors[0] if len(factors) == 1 else node(lookup("mul"), tuple(factors))


def _volume(sizes: object, estimate: Estimate) -> int:
    total = 1
    for n in sizes:  # type: ignore[attr-defined]
        total *= estimate(n)
    return total


# ---- einsums

class _Product:
    """One einsum: its operands without identities, the labels of its result, and the identities that remain."""

    def __init__(self, x: Node, inputs: Sequence[Node], estimate: Estimate, shared: set[Node]) -> None:
        labels, out, _ = x.params
        self.shared = shared
        self.out: Labels = out
        self.sizes = label_sizes(x)
        self.dtype = x.type.dtype
        self.estimate = estimate
        pairs = list(zip(inputs, labels, strict=True))
        self.deltas = [(i, ls) for i, ls in pairs if i.op.name == "delta"]
        self.factors: list[Factor] = [(i, ls) for i, ls in pairs if i.op.name != "delta"]
        self.same = _identified([ls for _, ls in self.deltas], self.out)
        self.factors = [(i, tuple(self.same.get(k, k) for k in ls)) for i, ls in self.factors]
        self._count_free_labels()

    def _count_free_labels(self) -> None:
        """A summed label that only identities had counts its values."""
        held = {k for _, ls in self.factors for k in ls} | set(self.out)
        for k in dict.fromkeys(self.same.get(k, k) for k in self.sizes):
            if k not in held:
                self.factors.append((node(lookup("size"), (), (self.sizes[k], self.dtype)), ()))

    def node(self) -> Node:
        """The einsum as a tree."""
        if not self.factors:
            self.factors.append((constant(1, self.dtype).node, ()))
        held = {k for _, ls in self.factors for k in ls}
        kept = tuple(k for k in self.out if self.same.get(k, k) == k)
        core = tuple(k for k in kept if k in held)
        result = self.contract(core)
        diagonals = [(k, self.same[k]) for k in self.out if self.same.get(k, k) != k]
        if not diagonals and core == self.out:
            return result
        # Several identities on one label share its size, hence are one node.
        identities = [node(lookup("delta"), (), (self.sizes[k], self.dtype)) for k, _ in diagonals]
        pairs = [(first, k) for k, first in diagonals]
        return einsum_node([result, *identities], [core, *pairs], self.out, self.sizes)

    def contract(self, out: Labels) -> Node:
        """The product of the factors, summed to the labels `out`."""
        if len(self.factors) == 1:
            return self.sum_to(self.factors[0], out)
        tree = self._exact(out) if len(self.factors) <= LARGEST_EXACT else self._greedy(out)
        return tree[0]

    def sum_to(self, factor: Factor, out: Labels) -> Node:
        """One factor summed to the labels `out`."""
        x, ls = factor
        return x if ls == out else einsum_node([x], [ls], out, self.sizes)

    def pair(self, a: Factor, b: Factor, out: Labels, *, inner: bool = True) -> Factor:
        """The product of two factors, in structural order, summed to the labels `out`, which an inner product has
        in the order of its factors: so the same product within two others is the same node."""
        (x, ls), (y, ms) = sorted((a, b), key=lambda f: (key(f[0]), f[1]))
        if inner:
            out = tuple(k for k in dict.fromkeys((*ls, *ms)) if k in out)
        if ls == ms == out or (not ls and ms == out) or (not ms and ls == out):
            return node(lookup("mul"), (x, y)), out
        return einsum_node([x, y], [ls, ms], out, self.sizes), out

    def volume(self, labels: set[int] | Labels) -> int:
        """About how many elements an array with these labels has."""
        return _volume((self.sizes[k] for k in labels), self.estimate)

    def _exact(self, out: Labels) -> Factor:
        """The cheapest tree over all subsets: fewest multiplications, then smallest intermediates."""
        n = len(self.factors)
        needed = [self._needed(subset, out) for subset in range(1 << n)]
        best: dict[int, tuple[int, int, int]] = {}
        for k, (_, ls) in enumerate(self.factors):
            presummed = len(set(ls)) > len(needed[1 << k])
            best[1 << k] = (self.volume(set(ls)) if presummed else 0, 0, 0)
        for subset in range(1, 1 << n):
            if subset.bit_count() < 2:
                continue
            lowest = subset & -subset
            part = (subset - 1) & subset
            while part:
                if part & lowest:
                    rest = subset ^ part
                    cost = best[part][0] + best[rest][0] + self._cost(part, rest, needed)
                    size = best[part][1] + best[rest][1] + self.volume(needed[subset])
                    if subset not in best or (cost, size) < best[subset][:2]:
                        best[subset] = (cost, size, part)
                part = (part - 1) & subset
        return self._tree((1 << n) - 1, best, needed, out)

    def _cost(self, part: int, rest: int, needed: Sequence[Labels]) -> int:
        """The multiplications of the product of two subsets; one that is computed anyhow costs nothing more."""
        if part.bit_count() == rest.bit_count() == 1 and part | rest != len(needed) - 1:
            a, b = (self.factors[subset.bit_length() - 1] for subset in (part, rest))
            if all(len(set(f[1])) == len(needed[s]) for f, s in ((a, part), (b, rest))):
                product, _ = self.pair(a, b, needed[part | rest])
                if product in self.shared:
                    return 0
        return self.volume(set(needed[part]) | set(needed[rest]))

    def _tree(
        self, subset: int, best: Mapping[int, tuple[int, int, int]], needed: Sequence[Labels], out: Labels
    ) -> Factor:
        """At most LARGEST_EXACT deep."""
        if subset.bit_count() == 1:
            return self._presummed(self.factors[subset.bit_length() - 1], needed[subset])
        part = best[subset][2]
        left, right = (self._tree(half, best, needed, out) for half in (part, subset ^ part))
        whole = subset == len(needed) - 1
        return self.pair(left, right, out if whole else needed[subset], inner=not whole)

    def _presummed(self, factor: Factor, needed: Labels) -> Factor:
        """A factor without the labels that nothing else has; its own order of axes stays otherwise."""
        ls = factor[1]
        return factor if len(set(ls)) == len(needed) else (self.sum_to(factor, needed), needed)

    def _needed(self, subset: int, out: Labels) -> Labels:
        """The labels of a subset of the factors that the others or the result have, in order of appearance."""
        inside = [ls for k, (_, ls) in enumerate(self.factors) if subset >> k & 1]
        outside = {k for i, (_, ls) in enumerate(self.factors) if not subset >> i & 1 for k in ls} | set(out)
        return tuple(dict.fromkeys(k for ls in inside for k in ls if k in outside))

    def _greedy(self, out: Labels) -> Factor:
        """Repeatedly the pair whose product is smallest against what it replaces."""
        users: dict[int, int] = {}
        for _, ls in self.factors:
            for k in set(ls):
                users[k] = users.get(k, 0) + 1
        factors = []
        for x, ls in self.factors:
            factors.append(self._presummed((x, ls), tuple(k for k in dict.fromkeys(ls) if users[k] > 1 or k in out)))
        while len(factors) > 2:
            i, j = self._closest(factors)
            a, b = factors[i], factors[j]
            rest = factors[:i] + factors[i + 1 : j] + factors[j + 1 :]
            outside = {k for _, ls in rest for k in ls} | set(out)
            labels = tuple(dict.fromkeys(k for k in (*a[1], *b[1]) if k in outside))
            factors = [*factors[:i], self.pair(a, b, labels), *factors[i + 1 : j], *factors[j + 1 :]]
        return self.pair(factors[0], factors[1], out, inner=False)

    def _closest(self, factors: Sequence[Factor]) -> tuple[int, int]:
        holders: dict[int, list[int]] = {}
        for i, (_, ls) in enumerate(factors):
            for k in dict.fromkeys(ls):
                holders.setdefault(k, []).append(i)
        linked = {(a, b) for on in holders.values() for a in on for b in on if a < b}
        small = sorted(range(len(factors)), key=lambda i: (self.volume(factors[i][1]), i))[:2]
        linked.add((min(small), max(small)))

        def gain(pair: tuple[int, int]) -> tuple[int, tuple[int, int]]:
            a, b = factors[pair[0]][1], factors[pair[1]][1]
            gone = {k for k in {*a} & {*b} if len(holders[k]) == 2 and k not in self.out}
            return self.volume(({*a} | {*b}) - gone) - self.volume(a) - self.volume(b), pair

        return min(linked, key=gain)


def _identified(deltas: Sequence[Labels], out: Labels) -> dict[int, int]:
    """Every label that identities tie to another one, with the label that stands for all of them: the first of the
    result."""
    parent: dict[int, int] = {}

    def find(k: int) -> int:
        while k in parent:
            k = parent[k]
        return k

    def rank(k: int) -> tuple[int, int]:
        return (out.index(k) if k in out else len(out), k)

    for a, b in deltas:
        first, second = sorted((find(a), find(b)), key=rank)
        if first != second:
            parent[second] = first
    return {k: find(k) for k in parent}


__all__ = ["depends_on_sizes", "plan"]
