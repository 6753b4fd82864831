"""The one graph: operations, interned nodes, the order in which they are visited, and views that answer questions.

A node is mathematics and nothing else: an operation, its inputs, static parameters and the type that follows from
them.  Equal structure is the same object, so common subexpressions are shared by construction and equality is `is`.
Interning is weak: a graph that nobody holds is freed.  The alternative, equality by hash at the end (hash-consing as
a pass), would let a formula of repeated squarings grow exponentially before the pass sees it.

Nothing here recurses, and no serial number, address or hash decides an order: `postorder` visits inputs left to right
from the roots, so the same formula gives the same order in every process whatever was built before it.

`Graph` uses the vocabulary of section 6.5 of *Deep Learning* (Goodfellow, Bengio, Courville, 2016): get_operation,
get_inputs and get_consumers of a variable are `operation`, `inputs` and `consumers` here.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .compiler.records import record
from .compiler.types import ArrayType
from .errors import ArgumentError

if TYPE_CHECKING:
    import networkx

Params = tuple[Any, ...]
"""Static and hashable: strings, numbers, sizes, types and tuples of them."""


@record(frozen=True, slots=True, eq=False)
class Op:
    """One row of the operation table: everything that is true of one operation.

    `infer` gives the type of the result from the types of the inputs and the parameters, or raises one of our
    errors.  `evaluate` is the meaning in NumPy.  `lower` says one element of the result in the index language.  `vjp`
    gives, from the cotangent, the node and its inputs, one cotangent (or None) per input, in symgrad's own language;
    an operation without it is not differentiable.  `jvp` is derived from `vjp` where a row gives none.  Every operation
    acts on trailing axes and broadcasts over leading ones, so that rules also serve cotangents with extra axes.
    """

    name: str
    infer: Callable[[Sequence[ArrayType], Params], ArrayType]
    evaluate: Callable[..., Any]
    lower: Callable[..., Any] | None = None
    expand: Callable[..., Any] | None = None
    """Instead of `lower`: the result as a formula of simpler operations, ``expand(x, *inputs)``."""
    vjp: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None
    partials: Callable[..., Any] | None = None
    """Elementwise operations: the partial derivatives, one line in terms of the result and the operands."""
    text: str | Callable[[Node], tuple[str, dict[str, Any]]] | None = None
    """How formula text says it: an infix sign, or the name of the public function for a node and those of its arguments
    that are no inputs.  By default the function of the same name, with the parameters as its last arguments."""
    latex: str | None = None
    sympy: str | None = None
    mpmath: str | Callable[..., Any] | None = None
    domain: tuple[tuple[float, float], ...] = ()
    """Where each operand is sampled in tests."""
    commutative: bool = False
    linear: bool = False
    """The result is linear in the first input, and its other inputs have no derivative."""
    requires: Callable[..., Any] | None = None
    """What only the numbers of the sizes can tell: for a node, triples of a size that must not be negative, what is
    wrong otherwise, and the error to say it with."""
    doc: str = ""

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable[[str], Op], tuple[str]]:
        return lookup, (self.name,)


OPS: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Adds a row to the operation table and returns it."""
    if op.name in OPS:
        raise ValueError(f"operation {op.name} is registered twice")
    OPS[op.name] = op
    return op


def lookup(name: str) -> Op:
    """The operation called `name`."""
    return OPS[name]


class Node:
    """An immutable, interned vertex of the graph; make one with `node`.  Compare nodes with ``is``."""

    __slots__ = ("__weakref__", "depth", "inputs", "op", "params", "type")
    op: Op
    inputs: tuple[Node, ...]
    params: Params
    type: ArrayType
    depth: int

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.type}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (flatten([self]),)

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: object) -> Node:
        return self


class _Reference(weakref.ref[Node]):
    """A weak reference that knows its key in the table."""

    __slots__ = ("key",)
    key: tuple[Any, ...]


_table: dict[tuple[Any, ...], _Reference] = {}
_lock = threading.RLock()


def _forget(reference: weakref.ref[Node]) -> None:
    assert isinstance(reference, _Reference)
    with _lock:
        if _table.get(reference.key) is reference:
            del _table[reference.key]


def node(op: Op, inputs: tuple[Node, ...] = (), params: Params = ()) -> Node:
    """The node of `op` with these inputs and parameters, the existing one if there is one.

    Raises whatever `op.infer` raises for inputs that do not fit."""
    key = (op, params, *map(id, inputs))
    found = _table.get(key)
    if found is not None:
        existing = found()
        if existing is not None:
            return existing
    type_ = op.infer([x.type for x in inputs], params)
    with _lock:
        found = _table.get(key)
        existing = found() if found is not None else None
        if existing is None:
            existing = Node()
            existing.op, existing.inputs, existing.params, existing.type = op, inputs, params, type_
            existing.depth = 1 + max([x.depth for x in inputs], default=0)
            reference = _table[key] = _Reference(existing, _forget)
            reference.key = key
    return existing


@contextmanager
def collector_paused() -> Iterator[None]:
    """Within, Python's cyclic collector rests.

    Graphs have no cycles, but as long as they grow the collector goes over the whole heap time and again, which
    doubles the time that a large graph takes."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def orders_kept() -> Iterator[None]:
    """Within, in this thread, the order of a graph is worked out once, however often it is asked for."""
    if getattr(_local, "orders", None) is not None:
        yield
        return
    _local.orders = {}
    try:
        yield
    finally:
        _local.orders = None


_local = threading.local()


def postorder(roots: Iterable[Node]) -> list[Node]:
    """Every node reachable from `roots`, inputs before consumers, first inputs first, without recursion."""
    orders: dict[tuple[Node, ...], list[Node]] | None = getattr(_local, "orders", None)
    if orders is None:
        return _postorder(roots)
    key = tuple(roots)
    if key not in orders:
        orders[key] = _postorder(key)
    return list(orders[key])


def _postorder(roots: Iterable[Node]) -> list[Node]:
    order: list[Node] = []
    seen: set[Node] = set()
    for root in roots:
        stack: list[tuple[Node, Iterator[Node]]] = []
        if root not in seen:
            seen.add(root)
            stack.append((root, iter(root.inputs)))
        while stack:
            current, rest = stack[-1]
            for x in rest:
                if x not in seen:
                    seen.add(x)
                    stack.append((x, iter(x.inputs)))
                    break
            else:
                stack.pop()
                order.append(current)
    return order


def consumer_counts(order: Iterable[Node]) -> dict[Node, int]:
    """How many input slots of the nodes of `order` each node fills."""
    counts: dict[Node, int] = {}
    for consumer in order:
        for x in consumer.inputs:
            counts[x] = counts.get(x, 0) + 1
    return counts


def substitute(roots: Sequence[Node], replacements: dict[Node, Node]) -> list[Node]:
    """`roots` with some nodes replaced by others; untouched parts stay the same objects."""
    new = dict(replacements)
    for current in postorder(roots):
        if current not in new:
            inputs = tuple(new[x] for x in current.inputs)
            same = all(a is b for a, b in zip(inputs, current.inputs, strict=True))
            new[current] = current if same else node(current.op, inputs, current.params)
    return [new[root] for root in roots]


FlatTable = tuple[tuple[tuple[str, tuple[int, ...], Params], ...], tuple[int, ...]]


def flatten(roots: Sequence[Node]) -> FlatTable:
    """The graph of `roots` as a flat table: rows of (operation, numbers of inputs, params), and the roots' numbers.

    Two graphs are equal exactly when their tables are; this is what is pickled and what caches are keyed by."""
    order = postorder(roots)
    number = {x: k for k, x in enumerate(order)}
    rows = tuple((x.op.name, tuple(number[i] for i in x.inputs), x.params) for x in order)
    return rows, tuple(number[root] for root in roots)


def unflatten(table: FlatTable) -> list[Node]:
    """The roots of a table made by `flatten`."""
    rows, roots = table
    nodes: list[Node] = []
    for name, inputs, params in rows:
        nodes.append(node(lookup(name), tuple(nodes[i] for i in inputs), params))
    return [nodes[root] for root in roots]


def _restore(table: FlatTable) -> Node:
    return unflatten(table)[0]


class Graph:
    """A view of the graph below some outputs (expressions or nodes, one or several), in topological order.

    The questions are those of *Deep Learning*, section 6.5.1: which operation computes a variable, from which inputs,
    and which variables consume it.

    >>> import symgrad as sg
    >>> g = sg.Graph(sg.parse("(x + y) * z"))
    >>> [g.operation(v) for v in g]
    ['symbol', 'symbol', 'add', 'symbol', 'mul']
    >>> [g.operation(v) for v in g.consumers(g.order[2])], len(g)
    (['mul'], 5)
    """

    def __init__(self, outputs: Any) -> None:
        roots = outputs if isinstance(outputs, list | tuple) else (outputs,)
        self.outputs: tuple[Node, ...] = tuple(map(_node_of, roots))
        self.order: tuple[Node, ...] = tuple(postorder(self.outputs))

    def __repr__(self) -> str:
        return f"<graph of {len(self.order)} nodes, {len(self.outputs)} output{'s'[: len(self.outputs) != 1]}>"

    def operation(self, v: Any) -> str:
        """Name of the operation that computes `v`."""
        return _node_of(v).op.name

    def inputs(self, v: Any) -> tuple[Node, ...]:
        """The nodes that `v` is computed from, Pa(v)."""
        return _node_of(v).inputs

    def consumers(self, v: Any) -> tuple[Node, ...]:
        """The nodes of this graph that are computed from `v`, Ch(v), in topological order."""
        return self._consumers.get(_node_of(v), ())

    @cached_property
    def _consumers(self) -> dict[Node, tuple[Node, ...]]:
        lists: dict[Node, list[Node]] = {}
        for c in self.order:
            for x in dict.fromkeys(c.inputs):
                lists.setdefault(x, []).append(c)
        return {x: tuple(cs) for x, cs in lists.items()}

    def counts(self) -> dict[str, int]:
        """How many nodes of each operation there are, by name."""
        found: dict[str, int] = {}
        for v in self.order:
            found[v.op.name] = found.get(v.op.name, 0) + 1
        return dict(sorted(found.items()))

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.order)

    def to_networkx(self) -> networkx.MultiDiGraph[int]:
        """The view as a `networkx.MultiDiGraph` from inputs to consumers: vertices are positions in the topological
        order with attributes `op`, `type` and `params`; an edge carries the input's `position`."""
        import networkx

        result: networkx.MultiDiGraph[int] = networkx.MultiDiGraph()
        number = {v: k for k, v in enumerate(self.order)}
        for v, k in number.items():
            result.add_node(k, op=v.op.name, type=str(v.type), params=v.params)
        for v, k in number.items():
            for position, x in enumerate(v.inputs):
                result.add_edge(number[x], k, position=position)
        return result


def _node_of(x: Any) -> Node:
    """A node itself, or that of an expression."""
    found = x if isinstance(x, Node) else getattr(x, "node", None)
    if not isinstance(found, Node):
        raise ArgumentError(f"graph: expected expressions or nodes, got {type(x).__name__}")
    return found
