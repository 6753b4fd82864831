"""The pullbacks of scalar operations, asked of their rows once and repeated for all nodes that are alike.

What a row of the operation table gives for a scalar depends on the operation and on which operands are constants,
not on the rest of the formula.  So it is built once over placeholders and copied: in a formula written out in a
million operations a row would say the same thing a million times, at ten times the cost of the copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compiler.records import record
from .compiler.types import ArrayType
from .errors import NotDifferentiable
from .expression import Expr
from .graph import Node, Op, Params, node, postorder

SCALAR = ArrayType("f64")
PLACEHOLDER = Op("placeholder", lambda types, params: SCALAR, lambda *_: None)
MOST = 4096
Given = Expr | NotDifferentiable | None


@record(frozen=True, slots=True)
class Recipe:
    """Values are numbered: the cotangent, the node, its inputs, `constants`, then one for each of `rows`, which are an
    operation on earlier values.  `gives` has for each input the number of its cotangent, or what the row gave instead.
    """

    constants: tuple[Node, ...]
    rows: tuple[tuple[Op, tuple[int, ...], Params], ...]
    gives: tuple[int | NotDifferentiable | None, ...]

    def follow(self, g: Node, y: Node) -> list[Given]:
        """The cotangents of the inputs of `y` when its own is `g`."""
        values = [g, y, *y.inputs, *self.constants]
        for op, numbers, params in self.rows:
            values.append(node(op, tuple([values[k] for k in numbers]), params))
        return [Expr(values[given]) if isinstance(given, int) else given for given in self.gives]


_recipes: dict[tuple[object, ...], Recipe] = {}


def pullback(y: Node, g: Node) -> Sequence[Given] | None:
    """What the row of `y` gives for the cotangent `g`; None where that takes asking the row."""
    if y.op.partials is None or y.params or g.op.name == "mask" or g.type != SCALAR or y.type != SCALAR:
        return None
    key: list[object] = [y.op, y.op.vjp]
    for x in y.inputs:
        name = x.op.name
        if name in ("cast", "einsum") or (x.type is not SCALAR and x.type != SCALAR):
            return None
        key.append(x if name == "constant" else None)
    recipe = _recipes.get(tuple(key))
    if recipe is None:
        if len(_recipes) >= MOST:
            _recipes.clear()
        recipe = _recipes[tuple(key)] = _recipe(y)
    return recipe.follow(g, y)


def _recipe(y: Node) -> Recipe:
    g, result, *inputs = (node(PLACEHOLDER, (), (k,)) for k in range(2 + len(y.inputs)))
    inputs = [x if x.op.name == "constant" else hole for x, hole in zip(y.inputs, inputs, strict=True)]
    assert y.op.vjp is not None
    given: Sequence[Given] = y.op.vjp(Expr(g), Expr(result), *map(Expr, inputs))
    order = postorder([c.node for c in given if isinstance(c, Expr)])
    number = {g: 0, result: 1, **{x: k for k, x in enumerate(inputs, 2)}}
    constants = [x for x in order if x not in number and not x.inputs]
    rest = [x for x in order if x not in number and x.inputs]
    number.update((x, k) for k, x in enumerate([*constants, *rest], 2 + len(inputs)))
    rows = tuple((x.op, tuple(number[i] for i in x.inputs), x.params) for x in rest)
    return Recipe(tuple(constants), rows, tuple(number[c.node] if isinstance(c, Expr) else c for c in given))


__all__ = ["Recipe", "pullback"]
