"""Operations on arrays in the words of NumPy: einsums in matrix notation where there is one, indexing, arranging."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.types import Dim, Size, floordiv
from ..expression import constant_value
from ..graph import Node
from ..ops.contraction import label_sizes
from .products import Network
from .terms import Term

if TYPE_CHECKING:
    from .notation import Notation

Labels = tuple[int, ...]
LONGEST_CHAIN = 50
"""Longer matrix products are written in parts, so that the time stays linear."""


class Arrays:
    """Writes array operations for one `Notation`."""

    def __init__(self, notation: Notation) -> None:
        self.of, self.terms, self.uses = notation.of, notation.terms, notation.uses

    def term(self, x: Node) -> Term | None:
        """The term of an array operation; None for any other."""
        write = _WRITE.get(x.op.name)
        return None if write is None else write(self, x)

    def _call(self, name: str, x: Node, parts: Sequence[Term], **keywords: str) -> Term:
        return self.terms.call(name, parts, x.type.rank, **keywords)

    # ---- einsum

    def _einsum(self, x: Node) -> Term:
        """An einsum: broadcasting of what its operands alone give."""
        labels, out, new = einsum_params(x)
        kept = tuple(k for k in out if k not in new)
        if new and not kept and len(x.inputs) == 1 and not x.inputs[0].type.shape:
            return self._filled(x)
        body = self._core(x, labels, kept)
        return self._broadcast(x, body, out, new) if new else body

    def _filled(self, x: Node) -> Term:
        """An array of one value."""
        value, dtype = x.inputs[0], x.type.dtype
        shape = self.terms.literal(shape_text(x.type.shape))
        if value.op.name == "constant" and dtype in ("f64", "f32"):
            name = {0.0: "zeros", 1.0: "ones"}.get(constant_value(value).item())
            if name is not None and str(constant_value(value)) != "-0.0":
                return self._call(name, x, [shape] if dtype == "f64" else [shape, self.terms.literal(f'"{dtype}"')])
        return self._call("full", x, [shape, self.of[value]])

    def _broadcast(self, x: Node, body: Term, out: Labels, new: dict[int, Dim]) -> Term:
        leading = 0
        while leading < len(out) and out[leading] in new and new[out[leading]] != 1:
            leading += 1
        if any(k in new for k in out[leading:]):
            items = tuple("None" if k in new else ":" for k in out[leading:])
            body = self.terms.make("index", (body,), items, len(items))
        if all(n == 1 for n in new.values()):
            return body
        return self._call("broadcast_to", x, [body, self.terms.literal(shape_text(x.type.shape))])

    def _core(self, x: Node, labels: tuple[Labels, ...], out: Labels) -> Term:
        if len(x.inputs) == 1:
            found = self._rearranged(x.inputs[0], labels[0], out)
            if found is not None:
                return found
        sizes = label_sizes(x)
        return self._matrices(x, labels, out, sizes) or self._batched(x, labels, out) or self._indices(x, labels, out)

    def _matrices(self, x: Node, labels: tuple[Labels, ...], out: Labels, sizes: dict[int, Dim]) -> Term | None:
        if len(out) > 2:
            return None
        network = Network(self.terms, sizes, out)
        weak = [i.op.name == "cast" and i.inputs[0].type.dtype == "bool" for i in x.inputs]
        for i, ls, counts in zip(x.inputs, labels, weak, strict=True):
            # A truth value in a product takes the element type of what stands beside it.
            t = self.of[i.inputs[0] if counts and not all(weak) else i]
            gone = [k for k, label in enumerate(ls) if sizes[label] == 1 and label not in out]
            if gone and len(x.inputs) > 1 and len(set(ls)) == len(ls):
                t, ls = self._without_units(i, gone), tuple(label for k, label in enumerate(ls) if k not in gone)
            whole = t.form == "matmul" and self.uses[i] == 1 and len(t.parts) < LONGEST_CHAIN
            chain = t.parts if whole else (t,)
            if not network.add(chain, ls):
                return None
        return network.result()

    def _rearranged(self, source: Node, labels: Labels, out: Labels) -> Term | None:
        """One operand: an element or part of it, a sum over axes, a transpose, a diagonal."""
        t = self.of[source]
        if len(set(labels)) < len(labels):
            return self._diagonal(source, labels, out)
        if not out and len(labels) == 1 and (square := self._squared(source)) is not None:
            return self.terms.make("matmul", (square, square), (), 0)
        gone = [k for k, label in enumerate(labels) if label not in out]
        kept = [label for label in labels if label in out]
        if gone and all(source.type.shape[k] == 1 for k in gone):
            t = self._without_units(source, gone)
        elif gone and not kept and t.form == "call" and t.data[0] in ("diag", "diagonal") and t.parts[0].rank == 2:
            return self.terms.call("trace", t.parts, 0)
        elif gone:
            t = self._counted(source)
            axes = "" if not kept else str(gone[0]) if len(gone) == 1 else f"({', '.join(map(str, gone))})"
            t = self.terms.call("sum", [t], len(kept), **({"axis": axes} if axes else {}))
            count: Dim = 1
            for k in gone:
                count = count * source.type.shape[k]
            self.terms.counts[t] = count
        order = [kept.index(label) for label in out]
        if order == list(range(len(order))):
            return t
        if order == list(range(len(order)))[::-1]:
            return self.terms.transpose(t)
        return self.terms.call("transpose", [t, self.terms.literal(f"({', '.join(map(str, order))})")], len(order))

    def _squared(self, source: Node) -> Term | None:
        """The vector, if it is short, whose squares are summed."""
        t = self.of[source]
        if t.form != "power" or t.rank != 1 or t.parts[0].form != "name" or t.parts[0].rank != 1:
            return None
        exponent = t.parts[1]
        return t.parts[0] if exponent.form == "number" and exponent.data[0] == 2 else None

    def _counted(self, source: Node) -> Term:
        """The operand of a sum, which counts truth values without being told to."""
        counts = source.op.name == "cast" and source.type.dtype == "i64" and source.inputs[0].type.dtype == "bool"
        return self.of[source.inputs[0] if counts else source]

    def _diagonal(self, source: Node, labels: Labels, out: Labels) -> Term | None:
        *front, a, b = labels
        if a != b or len(set(front)) < len(front) or a in front:
            return None
        rank = len(labels) - 1
        if out == (*front, a):
            return self.terms.call("diag" if rank == 1 else "diagonal", [self.of[source]], rank)
        return self.terms.call("trace", [self.of[source]], rank - 1) if out == tuple(front) else None

    def _without_units(self, source: Node, gone: list[int]) -> Term:
        """`source` without axes of size 1: integer indices."""
        rank = source.type.rank
        vector = self._right_side(source) if gone == [rank - 1] else None
        if vector is not None:
            return self.terms.call("solve", [self.of[source.inputs[0]], vector], 1)
        if source.op.name == "slice" and self.uses[source] == 1:
            inner = source.inputs[0]
            items = cut_items(source)
            cuts: Any = source.params[0]
            for k in gone:
                first = cuts[k - rank][0] if rank - k <= len(cuts) else 0
                items[k] = from_end(first, inner.type.shape[k])
        else:
            inner, items = source, ["0" if k in gone else ":" for k in range(rank)]
        return self._indexed(self.of[inner], items, rank - len(gone))

    def _right_side(self, source: Node) -> Term | None:
        """The vector that the column on the right side of linear equations is."""
        if source.op.name != "solve" or source.type.rank != 2:
            return None
        b = source.inputs[1]
        column = b.op.name == "einsum" and len(b.inputs) == 1 and b.inputs[0].type.rank == 1
        return self.of[b.inputs[0]] if column and len(source.inputs[0].type.shape) == 2 else None

    def _batched(self, x: Node, labels: tuple[Labels, ...], out: Labels) -> Term | None:
        """Matrix products over leading axes, and elementwise products with unit axes."""
        if len(labels) != 2:
            return None
        (a, b), parts = labels, [self.of[i] for i in x.inputs]
        if min(len(a), len(b)) >= 2 and a[-1] == b[-2] and out == (*a[:-1], b[-1]) and a[:-2] == b[:-2]:
            return self.terms.make("matmul", parts, (), len(out))
        return None

    def _indices(self, x: Node, labels: tuple[Labels, ...], out: Labels) -> Term:
        """Index notation."""
        letters = string.ascii_lowercase[8:] + string.ascii_lowercase[:8] + string.ascii_uppercase
        names: dict[int, str] = {}
        for ls in (*labels, out):
            for k in ls:
                names.setdefault(k, letters[len(names)])
        left = ",".join("".join(names[k] for k in ls) for ls in labels)
        text = f'"{left}->{"".join(names[k] for k in out)}"'
        return self.terms.call("einsum", [self.terms.literal(text), *(self.of[i] for i in x.inputs)], len(out))

    def _delta(self, x: Node) -> Term:
        n, dtype = x.params
        kept = {} if dtype == "f64" else {"dtype": f'"{dtype}"'}
        return self._call("eye", x, [self.terms.literal(str(n))], **kept)

    def _iota(self, x: Node) -> Term:
        return self._call("arange", x, [self.terms.literal(str(x.params[0]))])

    def _clipped(self, x: Node) -> Term | None:
        """``minimum(maximum(y, low), high)`` as ``clip(y, low, high)``; None for any other minimum."""
        first, second = x.inputs
        for high, inner in ((first, second), (second, first)):
            most = _scalar_value(high)
            if most is None or inner.op.name != "maximum" or self.uses[inner] > 1:
                continue
            for low, y in (inner.inputs, inner.inputs[::-1]):
                least = _scalar_value(low)
                if least is not None and least <= most and y.op.name != "constant":
                    return self._call("clip", x, [self.of[i] for i in (y, low, high)])
        return None

    # ---- indexing

    def _indexed(self, base: Term, items: Sequence[str | None], rank: int, parts: Sequence[Term] = ()) -> Term:
        while items and items[-1] == ":":
            items = items[:-1]
        return self.terms.make("index", (base, *parts), tuple(items), rank) if items else base

    def _slice(self, x: Node) -> Term:
        return self._indexed(self.of[x.inputs[0]], cut_items(x), x.type.rank)

    def _unslice(self, x: Node) -> Term:
        cuts: Any = x.params[0]
        target: Any = x.params[1]
        texts = [shape_text(target), shape_text([c[0] for c in cuts])]
        if any(step != 1 for _, _, step in cuts):
            texts.append(shape_text([c[2] for c in cuts]))
        return self._call("unslice", x, [self.of[x.inputs[0]], *map(self.terms.literal, texts)])

    def _take(self, x: Node) -> Term:
        source, k = x.inputs
        at = source.type.rank + axis_param(x)
        return self._indexed(self.of[source], [":"] * at + [None], x.type.rank, [self.of[k]])

    def _scatter(self, x: Node) -> Term:
        g, k = x.inputs
        at = x.type.rank + axis_param(x)
        keywords = {} if at == 0 else {"axis": str(at)}
        return self._call("scatter", x, [self.of[g], self.of[k], self.terms.literal(str(x.params[2]))], **keywords)

    # ---- arranging

    def _reshape(self, x: Node) -> Term:
        source = self.of[x.inputs[0]]
        if x.type.rank == 1 and x.params[0] == x.inputs[0].type.rank > 1:
            return self._call("ravel", x, [source])
        return self._call("reshape", x, [source, self.terms.literal(shape_text(x.type.shape, always=True))])

    def _concatenate(self, x: Node) -> Term:
        at = x.type.rank + axis_param(x)
        elements = [self._unstacked(i, at) for i in x.inputs]
        if all(e is not None for e in elements):
            parts = self.terms.make("list", [e for e in elements if e is not None])
            if x.type.rank == 1:
                return self._call("array", x, [parts])
            return self._call("stack", x, [parts], **({} if at == 0 else {"axis": str(at)}))
        parts = self.terms.make("list", [self.of[i] for i in x.inputs])
        return self._call("concatenate", x, [parts], **({} if at == 0 else {"axis": str(at)}))

    def _unstacked(self, x: Node, at: int) -> Term | None:
        """What stands in `x` without the unit axis `at`, if that axis was put there."""
        if x.op.name != "einsum" or len(x.inputs) != 1:
            return None
        (labels,), out, new = einsum_params(x)
        whole = new == {out[at]: 1} and out[:at] + out[at + 1 :] == labels
        return self.of[x.inputs[0]] if whole else None


_WRITE: dict[str, Callable[[Arrays, Node], Term | None]] = {
    "einsum": Arrays._einsum, "delta": Arrays._delta, "iota": Arrays._iota, "slice": Arrays._slice,
    "unslice": Arrays._unslice, "take": Arrays._take, "scatter": Arrays._scatter, "reshape": Arrays._reshape,
    "concatenate": Arrays._concatenate, "minimum": Arrays._clipped,
}  # fmt: skip


def _scalar_value(x: Node) -> float | None:
    return constant_value(x).item() if x.op.name == "constant" and not x.type.shape else None


# ---- parameters, sizes and slices

def einsum_params(x: Node) -> tuple[tuple[Labels, ...], Labels, dict[int, Dim]]:
    """Labels of the operands, labels of the result, sizes of labels that only the result has."""
    labels: Any
    out: Any
    extra: Any
    labels, out, extra = x.params
    return labels, out, dict(extra)


def axis_param(x: Node) -> int:
    """The axis, counted from the right, that is the first parameter of an operation."""
    axis = x.params[0]
    assert isinstance(axis, int)
    return axis



def shape_text(shape: Sequence[Dim], *, always: bool = False) -> str:
    """A shape as an argument: ``n`` or ``(m, n)``."""
    if len(shape) == 1:
        return f"({shape[0]},)" if always else str(shape[0])
    return f"({', '.join(map(str, shape))})"


def cut_items(x: Node) -> list[str]:
    """The slices of a `slice` node, one for each axis of its operand."""
    cuts: Any = x.params[0]
    shape = x.inputs[0].type.shape
    free = len(shape) - len(cuts)
    cut = [cut_text(first, n, step, size) for (first, n, step), size in zip(cuts, shape[free:], strict=True)]
    return [":"] * free + cut


def cut_text(first: Dim, count: Dim, step: int, n: Dim) -> str:
    """The slice that takes `count` elements from index `first` on, at distance `step`, of an axis of size `n`."""
    if isinstance(count, int) and count == 0:
        return "0:0" if isinstance(first, int) else f"{first}:{first}"
    end = first + (count - 1) * step
    if step > 0:
        start = "" if first == 0 else from_end(first, n)
        whole = floordiv(n - first + (step - 1), step) == count
        stop = "" if whole else _stop(first, count, step, n)
    else:
        start = "" if first == n - 1 else from_end(first, n)
        whole = floordiv(first + 1 + (-step - 1), -step) == count
        stop = "" if whole else from_end(end - 1, n)
    return f"{start}:{stop}" + (f":{step}" if step != 1 else "")


def _stop(first: Dim, count: Dim, step: int, n: Dim) -> str:
    """Where a slice ends: a known distance from the end if there is one, otherwise right behind its last element."""
    if isinstance(n, Size):
        for distance in range(1, 2 * step + 1):
            if floordiv(n - distance - first + (step - 1), step) == count:
                return str(-distance)
    return from_end(first + (count - 1) * step + 1, n)


def from_end(k: Dim, n: Dim) -> str:
    """An index, from the end where people write it so: ``-1`` for the last, and whenever only the distance is known."""
    distance = n - k
    if isinstance(distance, int) and distance > 0 and (isinstance(k, Size) or (distance == 1 and k != 0)):
        return str(-distance)
    return str(k)
