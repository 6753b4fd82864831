"""Very large graphs: they stay as they were written but for stable forms, found locally, for long chains, and for
values that are computed twice.

What has tens of thousands of operations was written by a program, which shares what it computes; collecting like terms
there takes long, and multiplies shared products out into what uses them.  The compiler's tapes do the rest.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from ..graph import Node, collector_paused, consumer_counts, node, postorder
from ..ops.leaves import CONSTANT
from .canonical import STEPS, chain, rebuild
from .chains import operands, whole_chains
from .numbering import numbered_values
from .pattern import Part, parts_of, reachable
from .settling import remembering, settle
from .stable import STABLE
from .terms import number_of


def settled_functions(order: Sequence[Node], roots: Sequence[Node]) -> list[Node]:
    """`roots` with the stable forms of functions, and of arithmetic next to functions; of other arithmetic only long
    chains are gathered."""
    known = [_known(root) for root in roots]
    found = [x for x in known if x is not None]
    if len(found) == len(roots):
        return found
    with collector_paused():
        results = _with_stable_forms(order, roots)
        results = numbered_values(postorder(results), results)
    _settled.update({x: result for x, result in zip(roots, results, strict=True) if x is not result})
    _settled.update(dict.fromkeys(results))
    return results


def _known(x: Node) -> Node | None:
    """What `settled_functions` has made of `x`."""
    return (_settled[x] or x) if x in _settled else None


def _with_stable_forms(order: Sequence[Node], roots: Sequence[Node]) -> list[Node]:
    counts = consumer_counts(order)
    new = {x: x for x in postorder(x for x in order if _known(x) is x)}
    counts.update(dict.fromkeys(new, SHARED))
    rest = [x for x in order if x not in new]
    links = {x for x in whole_chains(rest, counts, roots) if not _may_lose_digits(x)}
    with remembering() as remember:
        for x in new:
            remember(x)
        for x in rest:
            if x in links:
                continue
            if not links.isdisjoint(x.inputs):
                new[x] = remember(chain(x, [(new[i], False, sign) for i, sign in operands(x, links)]))
                continue
            inputs = tuple([new[i] for i in x.inputs])
            y = x if inputs == x.inputs else node(x.op, inputs, x.params)
            if x.op.name in ROOTS:
                y = _settled_arithmetic(y) if _may_lose_digits(y) else y
            elif x.op.name not in STEPS and inputs:
                y = _settled_function(y)
            new[x] = remember(y)
    return [new[root] for root in roots]


_settled: weakref.WeakKeyDictionary[Node, Node | None] = weakref.WeakKeyDictionary()
"""What `settled_functions` made of its roots; None for its results, which it gives back as they are."""
SHARED = 2
"""What is known to be settled counts as shared, so that no chain takes it apart."""


def _may_lose_digits(x: Node) -> bool:
    """Whether a stable rule is known for sums, products, quotients or powers of what is next below `x`; a sum must be
    of two terms that may be close."""
    root = ROOTS.get(x.op.name)
    if root is None or len(x.inputs) > 2 or x.type.dtype == "bool":
        return False
    reach = reachable(x)
    if reach <= ARITHMETIC:
        return root == "add" and _are_near(x)
    if root == "add":
        return any(i.op.name == "constant" for i in x.inputs) or _are_alike(x)
    tried = STABLE.tried(root, frozenset(reach | ARITHMETIC), True)
    return any(e.near or (e.rule and not e.needs <= ARITHMETIC) for e in tried)


def _kind(x: Node) -> str:
    """The name of the operation, one for both logarithms."""
    return "log" if x.op.name == "log1p" else x.op.name


def _are_near(x: Node) -> bool:
    """Whether both terms of a sum are quotients, or powers, by sums of which one is a term of the other or that have a
    term in common."""
    if len(x.inputs) != 2 or x.inputs[0].op is not x.inputs[1].op or x.inputs[0].op.name not in ("div", "pow"):
        return False
    p, q = (i.inputs[1 if i.op.name == "div" else 0] for i in x.inputs)
    first, second = ({y, *(y.inputs if y.op.name in ("add", "sub") else ())} for y in (p, q))
    return p is not q and any(y.op.name != "constant" for y in first & second)


def _are_alike(x: Node) -> bool:
    """Whether both terms of a sum hold the same function of what has something in common, and a minus is near, or one
    is what the other is a function of."""
    a, b = x.inputs
    if a in b.inputs or b in a.inputs:
        return True
    f, g = ({_kind(i), *(_kind(j) for j in i.inputs if i.op.name in ARITHMETIC)} - ARITHMETIC for i in x.inputs)
    if f.isdisjoint(g):
        return False
    first, second = _below(a), _below(b)
    if first.isdisjoint(second):
        return False
    return x.op.name == "sub" or not LOGARITHMS.isdisjoint(f) or any(map(_subtracts, first | second))


def _subtracts(x: Node) -> bool:
    if x.op.name in ("sub", "neg"):
        return True
    return any(i.op is CONSTANT and (number_of(i) or 0) < 0 for i in x.inputs)


def _below(x: Node) -> set[Node]:
    """`x` and what is next below it, as far as rules look for what cancels."""
    found: set[Node] = set()
    level = {x}
    for _ in range(LEVELS):
        found |= level
        level = {i for y in level for i in y.inputs if i.op is not CONSTANT}
    return found | level


def _settled_arithmetic(x: Node) -> Node:
    """`x`, an operation of arithmetic on functions, in its stable form; `x` itself where no rule fires."""
    local = _local(x)
    result = STABLE.normalise(local, rebuild, quick=ROOTS[x.op.name] != "add")
    return x if result is local else settle(result)


def _local(x: Node) -> Node:
    """The canonical form of `x` down to the operands of its operands."""
    inputs = [rebuild(node(i.op, tuple(map(rebuild, i.inputs)), i.params)) if i.inputs else i for i in x.inputs]
    return rebuild(node(x.op, tuple(inputs), x.params))


def _settled_function(x: Node) -> Node:
    """`x`, a function of what need not be canonical, in its stable form; `x` itself where no rule fires."""
    reach = reachable(x)
    reach |= {"add", "mul"} if "sub" in reach else {"mul"} if "neg" in reach else set()
    tried = STABLE.tried(x.op.name, frozenset(reach), True)
    if not any(e.near for e in tried) and not (x.op.name == "log" and x.inputs[0].op.name == "div"):
        parts = _written(parts_of(x))
        if not any(e.rule is not None and e.rule.parts() <= parts for e in tried):
            return x
    local = _local(x)
    result = STABLE.normalise(local, rebuild, quick=True)
    return x if result is local else settle(result)


def _written(parts: set[Part]) -> set[Part]:
    """The parts that a node has when its differences and negatives are sums and products."""
    found = set(parts)
    for part in parts:
        if not isinstance(part, tuple):
            found.update(SUMS_AND_PRODUCTS.get(part, ()))
            continue
        above, below = part
        for one in SUMS_AND_PRODUCTS.get(above, (above,)):
            found.update((one, other) for other in SUMS_AND_PRODUCTS.get(below, (below,)))
        if above == "sub":
            found.add(("add", "mul"))
    if "neg" in parts:
        found.add(("mul", -1.0))
    return found


ROOTS = {"add": "add", "sub": "add", "mul": "mul", "div": "div", "pow": "pow"}
"""Operations of arithmetic, and what they are in canonical form."""
ARITHMETIC = frozenset({"add", "sub", "mul", "div", "pow", "neg", "constant", "symbol"})
LEVELS = 4
LOGARITHMS = frozenset({"log", "log1p"})
SUMS_AND_PRODUCTS: dict[str | float, tuple[str, ...]] = {"sub": ("add",), "neg": ("mul",)}
