"""Products re-associated: the same numbers, in the order that costs least."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler.types import evaluate, named

import symgrad as sg
from symgrad.expression import Expr, symbol_name, symbols_of
from symgrad.graph import Node, postorder
from symgrad.interpreter import run
from symgrad.ops.contraction import delta, einsum_labels, label_sizes
from symgrad.planning import depends_on_sizes, plan

SIZES = {"i": 3, "j": 4, "k": 2, "l": 5}


def operand(name: str) -> Expr:
    """A symbol whose axes are the letters behind the colon of its name: ``A:ij``."""
    letters = name.partition(":")[2]
    return sg.tensor(name.replace(":", "_"), tuple(letters))


def multiplications(roots: list[Node], sizes: dict[str, int]) -> int:
    """The multiplications of all products with two or more operands."""
    total = 0
    for x in postorder(roots):
        if x.op.name == "einsum" and len(x.inputs) > 1:
            total += int(np.prod([evaluate(n, sizes) for n in label_sizes(x).values()]))
        elif x.op.name == "mul":
            total += int(np.prod([evaluate(n, sizes) for n in x.type.shape])) * (len(x.inputs) - 1)
    return total


def values(roots: list[Node], seed: int = 0) -> dict[Node, Any]:
    rng = np.random.default_rng(seed)
    return {x: rng.uniform(-1, 1, [evaluate(n, SIZES) for n in x.type.shape]) for x in symbols_of(roots)}


PRODUCTS = [
    "ij,jk,kl,l->i", "ij,jk,kl->il", "i,i,ij->j", "ij,i,ik->jk", "ij,k,l->", "ii,i,ij->j", "i,j,k,l->ijkl",
    "ij,jk,kl,li,ij,jl,kk->", ",ij,,j->i", "ij,ij,ij->ij", "ij,kl->", "ij->j", "ij,ij->", "i,ij,j->",
    "i,i,i,i,i,i,i,i->", "ij,jk,kl,lk,kj,ji,ij,jk,kl->il",
]  # fmt: skip


@pytest.mark.parametrize("subscripts", PRODUCTS)
def test_plan_keeps_the_value(subscripts: str) -> None:
    parts, _, out = subscripts.partition("->")
    operands = [operand(f"x{n}:{p}") for n, p in enumerate(parts.split(","))]
    product = einsum_labels(operands, [[ord(c) for c in p] for p in parts.split(",")], [ord(c) for c in out]).node
    given = values([product])
    (planned,) = plan([product], SIZES)
    by_name = {symbol_name(x): v for x, v in given.items()}
    arrays = [by_name[symbol_name(x.node)] for x in operands]
    assert planned.type == product.type
    assert all(len(x.inputs) <= 2 for x in postorder([planned]) if x.op.name == "einsum")
    np.testing.assert_allclose(run([planned], given, SIZES)[0], np.einsum(subscripts, *arrays), rtol=1e-13, atol=1e-14)


# formula, sizes, multiplications of the best order
COSTS = [
    ("A @ B @ v", {"i": 100, "j": 100, "k": 100}, 2 * 100 * 100),
    ("A @ B @ C", {"i": 10, "j": 100, "k": 5, "l": 50}, 10 * 100 * 5 + 10 * 5 * 50),
    ("A @ B @ C", {"i": 50, "j": 5, "k": 100, "l": 10}, 5 * 100 * 10 + 50 * 5 * 10),
    ("s * t * A", {"i": 30, "j": 40}, 1 + 30 * 40),
]


@pytest.mark.parametrize(("text", "sizes", "best"), COSTS)
def test_plan_is_cheapest(text: str, sizes: dict[str, int], best: int) -> None:
    expr = sg.parse(text, A="i,j", B="j,k", C="k,l", v="k", s="", t="").canonical()
    assert multiplications(plan([expr.node], sizes), sizes) == best


def test_order_follows_sizes() -> None:
    chain = sg.parse("A @ B @ C", A="i,j", B="j,k", C="k,l").canonical().node
    wide, tall = {"i": 10, "j": 100, "k": 5, "l": 50}, {"i": 50, "j": 5, "k": 100, "l": 10}
    assert depends_on_sizes([chain])
    assert plan([chain], wide)[0] is not plan([chain], tall)[0]
    assert not depends_on_sizes([sg.parse("A @ B", A="i,j", B="j,k").canonical().node])


def test_equal_intermediates_are_shared() -> None:
    f = sg.parse("sum(exp(X @ w)) + sum((X @ w) * y)", X="m,n", w="n", y="m").canonical()
    planned = postorder(plan([f.node], {"m": 1000, "n": 10}))
    assert sum(x.op.name == "einsum" and len(x.inputs) == 2 and x.type.rank == 1 for x in planned) == 1


# identities among the operands (as `I`), subscripts, and the same without them
IDENTITIES = [
    ("A,I", "ij,jk->ik", "A", "ij->ij"),
    ("A,I,I", "ij,jk,kl->il", "A", "ij->ij"),
    ("v,I", "i,ij->ij", "v", None),
    ("A,B,I", "ij,jk,kl->il", "A,B", "ij,jk->ik"),
    ("I", "ij->", "", None),
    ("I,I", "ij,jk->", "", None),
    ("v,I,I", "i,ij,jk->ijk", "v", None),
    ("A,I", "ik,jl->ijkl", "A", None),
]


@pytest.mark.parametrize(("names", "subscripts", "rest", "without"), IDENTITIES)
def test_identities_are_never_multiplied(names: str, subscripts: str, rest: str, without: str | None) -> None:
    n = 3
    parts, _, out = subscripts.partition("->")
    pairs = zip(names.split(","), parts.split(","), strict=True)
    operands = [delta(named("n")) if name == "I" else sg.tensor(name, ("n",) * len(part)) for name, part in pairs]
    product = einsum_labels(operands, [[ord(c) for c in p] for p in parts.split(",")], [ord(c) for c in out]).node
    rng = np.random.default_rng(1)
    given = {x: rng.normal(size=(n,) * x.type.rank) for x in symbols_of([product])}
    arrays = [np.eye(n) if x.node.op.name == "delta" else given[x.node] for x in operands]
    (planned,) = plan([product])
    np.testing.assert_allclose(run([planned], given, {"n": n})[0], np.einsum(subscripts, *arrays), rtol=1e-14)
    for x in postorder([planned]):
        if x.op.name == "einsum" and any(i.op.name == "delta" for i in x.inputs):
            labels, kept, _ = x.params
            assert set(kept) == {k for ls in labels for k in ls}, "an identity is only put on a diagonal"
    if without is not None:
        assert not any(x.op.name == "delta" for x in postorder([planned]))


def test_long_chains_and_long_sums_of_products_are_planned() -> None:
    chain = einsum_labels([sg.matrix(f"A{k}", "n", "n") for k in range(60)], [[k, k + 1] for k in range(60)], [0, 60])
    assert all(len(x.inputs) <= 2 for x in postorder(plan([chain.node])))
    joined = sg.concatenate([sg.vector(f"v{k}", "n") for k in range(100)])
    assert all(len(x.inputs) <= 8 for x in postorder(plan([joined.node])))
    given = {x: np.full(2, float(k)) for k, x in enumerate(symbols_of([joined.node]))}
    np.testing.assert_array_equal(run(plan([joined.node]), given, {"n": 2})[0], np.repeat(np.arange(100.0), 2))


def test_factors_of_few_axes_are_multiplied_first() -> None:
    s, t, u, v, A = sg.scalar("s"), sg.scalar("t"), sg.vector("u", "n"), sg.vector("v", "n"), sg.matrix("A", "m", "n")
    product = sg.multiply(A, u, s, v, t)
    (planned,) = plan([product.node])
    assert planned.type == product.type
    sizes = {"m": 7, "n": 5}
    assert multiplications([planned], sizes) == 1 + 2 * 5 + 7 * 5
    rng = np.random.default_rng(2)
    given = {x: rng.normal(size=[evaluate(n, sizes) for n in x.type.shape]) for x in symbols_of([product.node])}
    np.testing.assert_allclose(run([planned], given, sizes)[0], run([product.node], given, sizes)[0], rtol=1e-14)
