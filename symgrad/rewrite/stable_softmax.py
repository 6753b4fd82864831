"""Shares of a sum of exponentials: softmax of arrays and of a few scalars, and its logarithm."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce

from ..expression import Expr
from ..graph import Node, lookup, node
from ..ops.reductions import restore
from .engine import RuleSet
from .factors import function, lines, whole
from .settling import canonical, fitting
from .stable_logarithms import log_of_term
from .terms import ONE, constant_node, number_of, split

Rebuild = Callable[[Node], Node]
SELECTING = ("slice", "reshape", "einsum")
exp, log, logaddexp, sigmoid = (function(n) for n in ("exp", "log", "logaddexp", "sigmoid"))


def install(rules: RuleSet) -> None:
    """Adds the rules of this file."""
    rules.procedure("element of a softmax", "div", near=("exp",))(element_of_softmax)
    rules.procedure("share of exponentials", "div", near=("exp", "add"))(share)
    rules.procedure("log of an element of a softmax", "log", near=SELECTING)(log_of_element)
    rules.procedure("log of weighted exponentials", "log", near=("einsum", "exp"))(log_of_weighted)
    rules.procedure("log softmax of a difference", "add", near=("logsumexp",))(log_softmax)


def _selected_from(x: Node) -> tuple[Node, list[Node]]:
    """What some elements are taken from, and the operations that take them, the last one first."""
    path: list[Node] = []
    while x.op.name in SELECTING and len(x.inputs) == 1 and (x.op.name != "einsum" or not x.params[2]):
        path.append(x)
        (x,) = x.inputs
    return x, path


def _taken(path: list[Node], source: Node) -> Expr:
    """The same elements of `source`."""
    for step in reversed(path):
        source = node(step.op, (source,), step.params)
    return Expr(source)


def _whole(x: Node) -> tuple[tuple[int, ...]]:
    return (tuple(range(-len(x.type.shape), 0)),)


def _softmax_of(x: Node) -> Node:
    return node(lookup("softmax"), (x,), _whole(x))


def element_of_softmax(x: Node, rebuild: Rebuild) -> Node | None:
    """``exp(z[k])/sum(exp(z))`` is an element of softmax(z)."""
    number, powers = lines(x)
    for total, k in powers.items():
        if k != -1 or total.op.name != "einsum" or len(total.inputs) != 1 or total.type.shape or total.params[2]:
            continue
        (e,) = total.inputs
        if e.op.name != "exp" or len(set(total.params[0][0])) < len(e.type.shape):
            continue
        for f, j in powers.items():
            if f.op.name != "exp" or j != 1:
                continue
            source, path = _selected_from(f.inputs[0])
            if source is not e.inputs[0] or any(step.op.name == "einsum" and not _keeps(step) for step in path):
                continue
            rest = {y: i for y, i in powers.items() if y is not f and y is not total}
            return fitting(x, whole(number, rest, x.type.dtype) * _taken(path, _softmax_of(source)))
    return None


def _keeps(step: Node) -> bool:
    """Whether an array product of one operand sums nothing but axes of size 1."""
    ((labels,), out, _) = step.params
    shape = dict(zip(labels, step.inputs[0].type.shape, strict=True))
    return len(set(labels)) == len(labels) and all(k in out or n == 1 for k, n in shape.items())


def log_of_element(x: Node, rebuild: Rebuild) -> Node | None:
    """The logarithm of elements of a softmax."""
    source, path = _selected_from(x.inputs[0])
    if source.op.name != "softmax" or not path or not all(step.op.name != "einsum" or _keeps(step) for step in path):
        return None
    return fitting(x, _taken(path, node(lookup("log_softmax"), source.inputs, source.params)))


def log_of_weighted(x: Node, rebuild: Rebuild) -> Node | None:
    """``log(sum(w*exp(z)))`` for weights of any sign, relative to the largest term, which counts as a number: the
    logarithm does not depend on it."""
    number, powers = lines(x.inputs[0])
    total = next((y for y, k in powers.items() if k == 1 and _is_weighted(y)), None)
    if total is None or total.type != x.type:
        return None
    e, w = sorted(total.inputs, key=lambda i: i.op.name != "exp")
    z = Expr(e.inputs[0])
    largest = function("max")(z + log(function("abs")(Expr(w))))
    shift = function("stop_gradient")(function("where")(function("isfinite")(largest), largest, 0.0))
    scaled = exp(z - shift).node
    made = node(total.op, tuple(scaled if i is e else i for i in total.inputs), total.params)
    rest = {y: k for y, k in powers.items() if y is not total}
    return fitting(x, log(whole(number, rest, x.type.dtype) * Expr(made)) + shift)


def _is_weighted(total: Node) -> bool:
    """Whether it is the sum of an array times exponentials that are not relative to one of them already."""
    if total.op.name != "einsum" or total.type.shape or len(total.inputs) != 2 or total.params[2]:
        return False
    a, b = total.inputs
    if a.type != b.type or total.params[0][0] != total.params[0][1] or (a.op.name == "exp") == (b.op.name == "exp"):
        return False
    z = (a if a.op.name == "exp" else b).inputs[0]
    return not (z.op.name == "add" and any(i.op.name == "stop_gradient" for t in z.inputs for i in (t, *t.inputs)))


def log_softmax(x: Node, rebuild: Rebuild) -> Node | None:
    """``z - logsumexp(z)`` for arrays z, and for elements of z where all of z is summed."""
    for t in x.inputs:
        c, base = split(t)
        total = (
            base
            if base is None or base.op.name == "logsumexp"
            else base.inputs[0]
            if base.op.name == "einsum"
            else None
        )
        if total is None or total.op.name != "logsumexp" or not c:
            continue
        (z,) = total.inputs
        if base is not total and base is not canonical(restore(Expr(total), Expr(z), total.params[0])):
            continue
        used = _whole_array(x, z, c) if z.type == x.type else None
        value: Expr | None = None
        if used is not None:
            value = Expr(node(lookup("log_softmax"), (z,), total.params))
        elif base is total and not total.type.shape:
            found = _element(x, z, c)
            used, value = found if found is not None else (None, None)
        if used is None or value is None:
            continue
        result = Expr(constant_node(-c, x.type.dtype)) * value
        for r in x.inputs:
            if r is not t and r not in used:
                result = result + Expr(r)
        return fitting(x, result)
    return None


def _whole_array(x: Node, z: Node, c: Fraction) -> list[Node] | None:
    """The terms of x that are ``-c*z``."""
    terms = z.inputs if z.op.name == "add" else (z,)
    wanted = [canonical(Expr(constant_node(-c, z.type.dtype)) * Expr(t)) for t in terms]
    return wanted if all(t in x.inputs for t in wanted) else None


def _element(x: Node, z: Node, c: Fraction) -> tuple[list[Node], Expr] | None:
    """A term of x that is -c times an element of z, and the element of log_softmax(z)."""
    for s in x.inputs:
        d, base = split(s)
        if base is None or d != -c:
            continue
        source, path = _selected_from(base)
        if source is z and path and all(step.op.name != "einsum" or _keeps(step) for step in path):
            return [s], _taken(path, node(lookup("log_softmax"), (z,), _whole(z)))
    return None


# ---- a few scalars


def share(x: Node, rebuild: Rebuild) -> Node | None:
    """``exp(a)/(exp(a) + exp(b) + …)`` by the logistic function; sums of such numerators term by term, but some
    terms of the sum of exponentials together."""
    number, powers = lines(x)
    for f, k in powers.items():
        if k != -1 or f.op.name != "add" or not 2 <= len(f.inputs) <= 8:
            continue
        logs = {t: log_of_term(t, x.type.dtype) for t in f.inputs}
        if any(v is None for v in logs.values()):
            continue
        for g, j in powers.items():
            rest = {y: i for y, i in powers.items() if y is not f and y is not g}
            found = None
            if j == 1 and g.op.name == "exp":
                found = _share_of({g}, f, logs)
            elif j == 1 and g.op.name == "add":
                found = _share_of(set(g.inputs), f, logs)
                found = _term_by_term(g, f) if found is None else found
            if found is not None:
                return fitting(x, whole(number, rest, x.type.dtype) * found)
        if len(f.inputs) > 2 and any(number_of(t) is not None for t in f.inputs):
            (one,) = [t for t in f.inputs if number_of(t) is not None]
            found = _share_of({one}, f, logs)
            if found is not None:
                rest = {y: i for y, i in powers.items() if y is not f}
                return fitting(x, whole(number / (number_of(one) or ONE), rest, x.type.dtype) * found)
    return None


def _share_of(some: set[Node], f: Node, logs: dict[Node, Expr | None]) -> Expr | None:
    """The share that some terms of the sum f of exponentials have of it."""
    if not some < set(f.inputs) or (len(f.inputs) == 2 and len(some) == 1):
        return None
    above = [v for t, v in logs.items() if t in some and v is not None]
    others = [v for t, v in logs.items() if t not in some and v is not None]
    return sigmoid(reduce(logaddexp, above) - reduce(logaddexp, others))


def _term_by_term(g: Node, f: Node) -> Expr | None:
    """``(x*exp(a) + y*exp(b))/(exp(a) + exp(b))``, whose factors overflow."""
    exponentials = {e for t in f.inputs if (e := split(t)[1]) is not None}
    parts = [lines(t)[1] for t in g.inputs]
    if not any(e.op.name == "exp" for e in exponentials) or all(len(p) == 1 for p in parts):
        return None
    if not all(any(p.get(e) == 1 for e in exponentials) for p in parts):
        return None
    return reduce(lambda a, b: a + b, [Expr(t) / Expr(f) for t in g.inputs])
