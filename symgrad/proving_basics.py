"""Operations written with a few others, and functions of matrices pushed to single factors, for proofs of equality."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .expression import FUNCTIONS, Expr
from .graph import Node, lookup, node, postorder
from .ops.contraction import einsum_node
from .rewrite.canonical import canonicalise, rebuild
from .rewrite.ordinary import written
from .rewrite.short_arrays import parts_product, whole_chain
from .rewrite.terms import split

PASSES = 8


def basic(roots: Sequence[Node]) -> list[Node]:
    """`roots` with every operation that has a row in BASICS, ARRAYS or an ordinary form written so."""
    roots = canonicalise(roots, stable=False)
    for _ in range(PASSES):
        new: dict[Node, Node] = {}
        for x in postorder(roots):
            new[x] = _step(rebuild(node(x.op, tuple(new[i] for i in x.inputs), x.params))) if x.inputs else x
        after = [new[root] for root in roots]
        if after == roots:
            break
        roots = after
    return roots


def _step(x: Node) -> Node:
    """`x` by simpler operations, which may have simpler ones themselves."""
    form = written(x) if x.inputs else None
    if form is None and x.op.name in BASICS:
        form = BASICS[x.op.name](*map(Expr, x.inputs)).node
    if form is None and x.op.name in ARRAYS:
        found = ARRAYS[x.op.name](x)
        form = None if found is None else found.node
    return x if form is None or form.type != x.type else canonicalise([form], stable=False)[0]


def _f(name: str) -> Callable[..., Any]:
    return lambda *args, **keywords: FUNCTIONS[name](*args, **keywords)


exp, log, sqrt, absolute, sin, cos, erf, inv, det = map(
    _f, ("exp", "log", "sqrt", "abs", "sin", "cos", "erf", "inv", "det")
)


def _holds(c: Node) -> Expr:
    """The truth of a comparison as ``(1 + u/abs(u))/2`` for the difference u of its sides, 0 where it does not hold."""
    sides = {"greater": 1, "greater_equal": 1, "less": -1, "less_equal": -1}
    if c.op.name not in sides:
        return Expr(node(lookup("cast"), (c,), ("f64",)))
    a, b = map(Expr, c.inputs)
    u = sides[c.op.name] * (a - b)
    truth: Expr = (1 + u / absolute(u)) / 2
    return truth


BASICS: dict[str, Callable[..., Any]] = {
    "tan": lambda x: sin(x) / cos(x),
    "sinh": lambda x: (exp(x) - exp(-x)) / 2, "cosh": lambda x: (exp(x) + exp(-x)) / 2,
    "tanh": lambda x: (exp(2 * x) - 1) / (exp(2 * x) + 1), "sigmoid": lambda x: exp(x) / (1 + exp(x)),
    "softplus": lambda x: log(1 + exp(x)), "logaddexp": lambda x, y: log(exp(x) + exp(y)),
    "arcsinh": lambda x: log(x + sqrt(x**2 + 1)), "arccosh": lambda x: log(x + sqrt(x**2 - 1)),
    "arctanh": lambda x: log((1 + x) / (1 - x)) / 2, "sign": lambda x: x / absolute(x),
    "maximum": lambda x, y: (x + y + absolute(x - y)) / 2, "minimum": lambda x, y: (x + y - absolute(x - y)) / 2,
    "relu": lambda x: (x + absolute(x)) / 2, "exp2": lambda x: exp(x * math.log(2)),
    "log2": lambda x: log(x) / math.log(2), "log10": lambda x: log(x) / math.log(10), "erfc": lambda x: 1 - erf(x),
    "ndtr": lambda x: (1 + erf(x / math.sqrt(2))) / 2, "arccos": lambda x: math.pi / 2 - FUNCTIONS["arcsin"](x),
    "logcosh": lambda x: log(FUNCTIONS["cosh"](x)), "where": lambda c, a, b: b + _holds(c.node) * (a - b),
    "mask": lambda c, x: _holds(c.node) * x, "logit": lambda x: log(x) - log(1 - x),
    "cofactor": lambda a: det(a) * inv(a).T, "logdet": lambda a: log(absolute(det(a))),
}  # fmt: skip
"""Operations by simpler ones."""


def _last_axis(x: Node) -> tuple[Expr, int]:
    axes: Any = x.params[0]
    return Expr(x.inputs[0]), axes if isinstance(axes, int) else axes[0]


def _softmax(x: Node) -> Expr:
    y, axis = _last_axis(x)
    made: Expr = exp(y) / exp(y).sum(axis=y.ndim + axis, keepdims=True)
    return made


def _log_softmax(x: Node) -> Expr:
    y, axis = _last_axis(x)
    made: Expr = y - log(exp(y).sum(axis=y.ndim + axis, keepdims=True))
    return made


def _over(x: Node, f: Callable[[Expr], Expr]) -> Expr:
    """The sum of `f` over the axes of a reduction."""
    axes: Any = x.params[0]
    y = Expr(x.inputs[0])
    several = (axes,) if isinstance(axes, int) else axes
    made: Expr = f(y).sum(axis=tuple(y.ndim + a for a in several))
    return made


def _inv(x: Node) -> Expr | None:
    """The inverse of a product, a multiple, a transpose, an inverse."""
    (a,) = x.inputs
    c, base = split(a)
    if base is not None and c != 1 and c != 0:
        return inv(Expr(base)) / float(c)  # type: ignore[no-any-return]
    if a.op.name == "inv":
        return Expr(a.inputs[0])
    parts = whole_chain(a)
    if parts is None or (len(parts) == 1 and not parts[0][1]) or any(p.type.shape != a.type.shape for p, _ in parts):
        return None
    inverses = [(rebuild(node(x.op, (p,))), turned) for p, turned in reversed(parts)]
    return Expr(parts_product(inverses))


def _det(x: Node) -> Expr | None:
    """The determinant of a product, a multiple, a transpose, an inverse."""
    (a,) = x.inputs
    c, base = split(a)
    n = a.type.shape[-1]
    if base is not None and c != 1 and c != 0 and isinstance(n, int) and len(a.type.shape) == 2:
        return det(Expr(base)) * float(c) ** n  # type: ignore[no-any-return]
    if a.op.name == "inv":
        return 1 / det(Expr(a.inputs[0]))  # type: ignore[no-any-return]
    parts = whole_chain(a)
    if parts is None or (len(parts) == 1 and not parts[0][1]) or any(p.type.shape != a.type.shape for p, _ in parts):
        return None
    made: Expr = Expr(rebuild(node(x.op, (parts[0][0],))))
    for p, _ in parts[1:]:
        made = made * Expr(rebuild(node(x.op, (p,))))
    return made


def _solve(x: Node) -> Expr | None:
    a, b = x.inputs
    made: Expr = inv(Expr(a)) @ Expr(b)
    return made if len(a.type.shape) == len(b.type.shape) == 2 else None


def without_inverses(x: Node) -> Node:
    """An array product without inverses next to what they undo."""
    while x.op.name == "einsum" and (found := _einsum(x)) is not None:
        x = found.node
    return x


def _einsum(x: Node) -> Expr | None:
    """``A @ inv(A)`` inside an array product is the identity."""
    labels, out, extra = x.params
    for i, a in enumerate(x.inputs):
        if a.op.name != "inv":
            continue
        for j, b in enumerate(x.inputs):
            shared = set(labels[i]) & set(labels[j])
            if b is not a.inputs[0] or len(shared) != 1 or shared & set(out):
                continue
            (k,) = shared
            if sum(k in ls for ls in labels) == 2 and labels[i].index(k) != labels[j].index(k):
                ends = tuple(label for ls in (labels[i], labels[j]) for label in ls if label != k)
                rest = [(y, ls) for n, (y, ls) in enumerate(zip(x.inputs, labels, strict=True)) if n not in (i, j)]
                unit = node(lookup("delta"), (), (a.type.shape[-1], a.type.dtype))
                made = einsum_node([*(y for y, _ in rest), unit], [*(ls for _, ls in rest), ends], out, dict(extra))
                return Expr(rebuild(made))
    return None


ARRAYS: dict[str, Callable[[Node], Expr | None]] = {
    "softmax": _softmax, "log_softmax": _log_softmax, "logsumexp": lambda x: log(_over(x, exp)),
    "norm": lambda x: sqrt(_over(x, lambda y: y**2)), "inv": _inv, "det": _det, "solve": _solve, "einsum": _einsum,
}  # fmt: skip
"""Operations of arrays by simpler ones, None where there is no simpler one."""
