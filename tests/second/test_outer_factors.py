"""Outer factors stay out of chains of products and masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.graph import postorder
from symgrad.outer_products import pull_outer_factors
from symgrad.planning import plan

Array = np.ndarray[Any, Any]


def _hessian_of_network(weights: list[Array], x: Array, target: Array) -> Array:
    """The closed form of the Hessian of logsumexp(z) - target @ z with respect to the first layer of a relu network."""
    z, on = weights[0] @ x, []
    for W in weights[1:]:
        on.append(z > 0)
        z = W @ np.where(on[-1], z, 0)
    p = np.exp(z - z.max())
    p /= p.sum()
    J = np.eye(len(z))
    for W, d in zip(weights[:0:-1], on[::-1], strict=True):
        J = (J @ W) * d
    return np.einsum("ik,j,l->ijkl", J.T @ (np.diag(p) - np.outer(p, p)) @ J, x, x)


@pytest.mark.parametrize("layers", [2, 4])
def test_the_input_is_multiplied_last_into_the_hessian_of_the_first_layer(layers: int) -> None:
    n = 7
    w, x, t = sg.matrix("w", "n,n"), sg.vector("x", "n"), sg.vector("t", "n")
    z = w @ x
    for k in range(layers - 1):
        z = sg.matrix(f"W{k}", "n,n") @ sg.relu(z)
    L = sg.logsumexp(z) - t @ z
    planned = plan([L.hessian("w").node])
    for y in postorder(planned):
        if y.op.name == "einsum":
            labels = {k for ls in y.params[0] for k in ls}
            assert len(labels) <= 3 or labels <= set(y.params[1]), "a contraction carries the input along"
    rng = np.random.default_rng(layers)
    weights = [rng.standard_normal((n, n)) for _ in range(layers)]
    given, target = rng.standard_normal(n), np.eye(n)[2]
    named = {f"W{k}": W for k, W in enumerate(weights[1:])}
    found = sg.compile(L, wrt="w").hessian(w=weights[0], x=given, t=target, **named)
    np.testing.assert_allclose(found, _hessian_of_network(weights, given, target), rtol=1e-11, atol=1e-12)


# name: (formula, whether another graph is expected, the same by NumPy)
FORMULAS: dict[str, tuple[str, bool, Callable[..., Array]]] = {
    "through a mask and a product": (
        "einsum('ij,jk->ik', A, where(v > 0, 1, 0)[:, None] * einsum('i,j->ij', v, u))",
        False,
        lambda A, v, u: A @ (np.where(v > 0, v, 0)[:, None] * u),
    ),
    "chain": (
        "einsum('ij,jk->ik', A, mask((v > 0)[:, None], einsum('ij,jk->ik', A, einsum('j,k->jk', v, u))))",
        True,
        lambda A, v, u: A @ np.where((v > 0)[:, None], A @ np.outer(v, u), 0),
    ),
    "sum of two with one factor": (
        "einsum('ij,jk->ik', A, einsum('j,k->jk', v, u) + einsum('ij,jk->ik', A, einsum('j,k->jk', v*v, u)))",
        True,
        lambda A, v, u: A @ (np.outer(v, u) + A @ np.outer(v * v, u)),
    ),
    "sum of two with different factors": (
        "einsum('ij,jk->ik', A, einsum('j,k->jk', v, u) + einsum('j,k->jk', v*v, exp(u)))",
        False,
        lambda A, v, u: A @ (np.outer(v, u) + np.outer(v * v, np.exp(u))),
    ),
    "a mask of the factor's axis": (
        "einsum('ij,jk->ik', A, mask((u > 0)[None, :], einsum('ij,jk->ik', A, einsum('j,k->jk', v, u))))",
        True,
        lambda A, v, u: A @ np.where(u > 0, A @ np.outer(v, u), 0),
    ),
    "the factor's axis is summed": (
        "einsum('ij,jk,k->i', A, einsum('ij,jk->ik', A, einsum('j,k->jk', v, u)), u)",
        True,
        lambda A, v, u: A @ A @ v * (u @ u),
    ),
    "a factor of two axes": (
        "einsum('ij,jkl->ikl', A, einsum('ij,jkl->ikl', A, einsum('j,kl->jkl', v, A)))",
        True,
        lambda A, v, u: np.einsum("i,kl->ikl", A @ A @ v, A),
    ),
    "axes in another order": (
        "einsum('ij,kj->ki', A, einsum('ij,jk->ki', A, einsum('k,j->jk', u, v)))",
        True,
        lambda A, v, u: np.outer(u, A @ A @ v),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_outer_factors(name: str) -> None:
    text, changes, function = FORMULAS[name]
    f = sg.parse(text, A="n,n", v="n", u="n")
    (pulled,) = pull_outer_factors([f.node])
    assert (pulled is not f.node) or not changes
    assert pulled.type == f.node.type
    rng = np.random.default_rng(3)
    A, v, u = rng.standard_normal((5, 5)), rng.standard_normal(5), rng.standard_normal(5)
    expected = function(A, v, u)
    named = {k: x for k, x in {"A": A, "v": v, "u": u}.items() if k in f.shapes}
    np.testing.assert_allclose(sg.Expr(pulled, f.declared)(**named), expected, rtol=1e-12)
    np.testing.assert_allclose(sg.compile(f)(**named), expected, rtol=1e-12)


def test_a_masked_outer_product_keeps_its_zeros() -> None:
    """No factor that is not finite reaches what a mask says is zero."""
    f = sg.parse("mask((v > 0)[:, None], einsum('j,k->jk', v, u))", v="n", u="m")
    found = sg.compile(f)(np.array([1.0, -1.0]), np.array([np.inf, 2.0, np.nan]))
    np.testing.assert_array_equal(found, [[np.inf, 2, np.nan], [0, 0, 0]])
