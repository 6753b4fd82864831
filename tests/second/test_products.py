"""Products with matrices of second order equal those with the matrices, which are never made."""

from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg

RNG = np.random.default_rng(3)
RESIDUALS = sg.parse("tanh(X @ w + b) - y", X="m,n", w="n", b="", y="m")
X, W, B, Y = RNG.normal(size=(9, 4)), RNG.normal(size=4), 0.3, RNG.normal(size=9)


def jacobian() -> np.ndarray:
    """With respect to w and b, by hand."""
    slope = 1 / np.cosh(X @ W + B) ** 2
    return np.column_stack([slope[:, None] * X, slope])


def test_gauss_newton_products() -> None:
    f, J, v = sg.compile(RESIDUALS, wrt="w"), jacobian()[:, :4], RNG.normal(size=4)
    values = {"X": X, "w": W, "b": B, "y": Y}
    np.testing.assert_allclose(f.gauss_newton(W, v, X, B, Y), J.T @ (J @ v), rtol=1e-12)
    np.testing.assert_allclose(RESIDUALS.gauss_newton("w", "v")(**values, v=v), J.T @ (J @ v), rtol=1e-12)
    assert str(RESIDUALS.gauss_newton("w", "v").type) == "f64[n]"


def test_operators_on_several_variables() -> None:
    f, J = sg.compile(RESIDUALS, wrt=("w", "b")), jacobian()
    A, G = f.jacobian_operator(W, B, X, Y), f.gauss_newton_operator(W, B, X, Y)
    assert A.shape == (9, 5) and G.shape == (5, 5)
    np.testing.assert_allclose(A @ np.eye(5), J, rtol=1e-12)
    np.testing.assert_allclose(A.T @ np.eye(9), J.T, rtol=1e-12)
    np.testing.assert_allclose(G @ np.eye(5), J.T @ J, rtol=1e-12)


def test_jacobian_operator_of_several_outputs() -> None:
    x = sg.vector("x", "n")
    f = sg.compile([x**2, sg.sum(x)], wrt="x")
    found = f.jacobian_operator([1.0, 2.0, 3.0]) @ np.eye(3)
    np.testing.assert_allclose(found, np.vstack([np.diag([2.0, 4, 6]), np.ones(3)]))


def test_a_krylov_method_solves_with_the_operators() -> None:
    import scipy.sparse.linalg

    L = sg.parse("sum(log(1 + exp(-y * (X @ w)))) + lam/2 * norm(w)**2", X="m,n", y="m", w="n", lam="")
    f = sg.compile(L, wrt="w")
    at = (W, X, np.sign(Y), 0.1)
    step, _ = scipy.sparse.linalg.cg(f.hessian_operator(*at), f.grad(*at), rtol=1e-13)
    np.testing.assert_allclose(step, np.linalg.solve(f.hessian(*at), f.grad(*at)), rtol=1e-9)


def test_weighted_hessian() -> None:
    f = sg.compile(sg.parse("A @ x**3", A="m,n", x="n"), wrt="x")
    A, x, u = RNG.normal(size=(5, 3)), RNG.normal(size=3), RNG.normal(size=5)
    np.testing.assert_allclose(f.weighted_hessian(x, u, A), np.diag(6 * x * (A.T @ u)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("flat", [False, True])
def test_value_gradient_and_hessian_together(flat: bool) -> None:
    f = sg.compile(sg.sum(RESIDUALS**2), wrt=("w", "b"))
    separate = f(W, B, X, Y), f.grad(W, B, X, Y), f.hessian(W, B, X, Y)
    if flat:
        w = f.flatten((W, B))
        value, gradient, hessian = f.value_grad_and_hessian(w, X, Y)
        assert value == pytest.approx(separate[0]) and gradient.shape == (5,) and hessian.shape == (5, 5)
        np.testing.assert_allclose(gradient, np.append(*separate[1]), rtol=1e-12)
        np.testing.assert_allclose(hessian[:4, 4], separate[2][0][1], rtol=1e-12)
        return
    value, gradient, hessian = f.value_grad_and_hessian(W, B, X, Y)
    assert value == pytest.approx(separate[0], rel=1e-14)
    np.testing.assert_allclose(gradient[0], separate[1][0], rtol=1e-12)
    np.testing.assert_allclose(hessian[0][0], separate[2][0][0], rtol=1e-12)


def test_third_derivatives_are_those_of_a_cube() -> None:
    L = sg.parse("sum((A @ w)**3)", A="m,n", w="n")
    A = RNG.normal(size=(4, 3))
    third = L.hessian("w").jacobian("w")(A=A, w=np.ones(3))
    np.testing.assert_allclose(third, 6 * np.einsum("mi,mj,mk->ijk", A, A, A), rtol=1e-13)


def test_jit_has_them_too() -> None:
    @sg.jit(wrt="w")
    def model(w, X, y):  # type: ignore[no-untyped-def]
        return np.tanh(X @ w) - y

    J, v, u = X / np.cosh(X @ W)[:, None] ** 2, RNG.normal(size=4), RNG.normal(size=9)
    np.testing.assert_allclose(model.gauss_newton(W, v, X, Y), J.T @ (J @ v), rtol=1e-12)
    t = np.tanh(X @ W)
    expected = X.T @ np.diag(-2 * u * t / np.cosh(X @ W) ** 2) @ X
    np.testing.assert_allclose(model.weighted_hessian(W, u, X, Y), expected, rtol=1e-10)
