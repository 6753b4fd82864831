"""Sums of a function of the eigenvalues: derivatives of orders 1 to 4, eigenvalues equal, nearly so and apart, against
50 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import symgrad as sg

A, E = sg.matrix("A", "n,n"), sg.matrix("E", "n,n")
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "log": (sg.log, mpmath.log),
    "exp": (lambda x: sg.exp(2 * x), lambda z: mpmath.exp(2 * z)),
    "power": (lambda x: x**3.5, lambda z: z**3.5),
    "where": (lambda x: sg.where(x > 10, x, sg.sin(x) / x), lambda z: mpmath.sin(z) / z),
}
SPECTRA = [[1.0, 1, 1], [1, 1, 2], [1, 1 + 1e-7, 1.002], [0.3, 0.5, 4]]
RNG = np.random.default_rng(0)
BASIS = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
DIRECTION = (lambda a: (a + a.T) / 2)(RNG.normal(size=(3, 3)))


@pytest.mark.parametrize("spectrum", SPECTRA, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("values", ["eigvalsh", "eigh"])
def test_sums_along_a_direction(name: str, spectrum: list[float], values: str) -> None:
    ours, exact = FUNCTIONS[name]
    a = BASIS @ np.diag(spectrum) @ BASIS.T
    a = (a + a.T) / 2
    y = sg.sum(ours(sg.eigvalsh(A) if values == "eigvalsh" else sg.eigh(A)[0]))
    with mpmath.workdps(50):
        start, step = mpmath.matrix(a.tolist()), mpmath.matrix(DIRECTION.tolist())

        def along(t: Any) -> Any:
            return sum(exact(z) for z in mpmath.eigsy(start + t * step, eigvals_only=True))

        expected = [float(mpmath.diff(along, 0, k, h=mpmath.mpf("1e-9"))) for k in range(1, 5 if values == "eigh" else 3)]
    for order, value in enumerate(expected, 1):
        y = sg.sum(y.grad("A") * E)
        np.testing.assert_allclose(y(A=a, E=DIRECTION), value, rtol=3e-13, atol=3e-13, err_msg=f"order {order}")


def test_a_number_in_the_function() -> None:
    """d/ds and d2/ds dA of sum(exp(s*w)) = tr(exp(s*A)), against the matrix exponential."""
    import scipy.linalg

    a = BASIS @ np.diag([1.0, 1.0, 2.0]) @ BASIS.T
    slope = sg.sum(sg.exp(sg.scalar("s") * sg.eigvalsh(A))).grad("A").jvp("s", 1.0)
    e = scipy.linalg.expm(0.7 * a)
    np.testing.assert_allclose(slope(A=a, s=0.7), e + 0.7 * a @ e, rtol=1e-12)


def test_logm_and_its_derivatives_at_the_identity() -> None:
    y = sg.sum(sg.logm(A) * E)
    eye = np.eye(3)
    np.testing.assert_allclose(y.grad("A")(A=eye, E=DIRECTION), DIRECTION, atol=1e-14)
    second = sg.sum(y.grad("A") * E)  # log(I + tE) = tE - (tE)**2/2 + ...
    np.testing.assert_allclose(second.grad("A")(A=eye, E=DIRECTION), -DIRECTION @ DIRECTION, atol=1e-13)


def test_a_batch_and_vmap() -> None:
    batch = np.stack([BASIS @ np.diag(s) @ BASIS.T for s in SPECTRA])
    B = sg.tensor("B", "b,n,n")
    one = sg.sum(sg.log(sg.eigvalsh(A))).grad("A")
    mapped = sg.vmap(lambda a: sg.logm(a))(B)
    inverse = sg.sum(sg.log(sg.eigvalsh(B))).grad("B")(B=batch)
    for k in range(len(SPECTRA)):
        np.testing.assert_allclose(inverse[k], np.linalg.inv(batch[k]), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(one(A=batch[k]), inverse[k], rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(mapped(B=batch)[k], sg.logm(A)(A=batch[k]), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: sg.matrix_function(A, f=lambda z: z * sg.scalar("t")), "must be a function of numbers alone, but it uses f64 t"),
    (lambda: sg.matrix_function(A, f="z", order=1), "order=1 needs so many matrices, got 0 operands"),
    (lambda: sg.matrix_function(A, sg.vector("v", "n"), f="z", order=1), r"a direction f64\[n\] is not a matrix like"),
    (lambda: sg.matrix_function(sg.vector("v", "n"), f="z"), "needs a square matrix"),
])  # fmt: skip
def test_errors(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(sg.SymgradError, match=message):
        make()


def test_identity_as_direction() -> None:
    """The gradient of a trace needs no divided differences, also with a factor and where eigenvalues coincide."""
    A, s = sg.matrix("A", "n,n"), sg.scalar("s")
    g = (s * sg.trace(sg.matrix_function(A, f="z**3"))).grad(A)
    assert "order" not in str(g)
    a = np.diag([2.0, 2.0, 5.0])
    np.testing.assert_allclose(g(A=a, s=0.5), 1.5 * a @ a, rtol=1e-14)
    B, c = sg.tensor("B", "b,n,n"), sg.vector("c", "b")
    g = sg.sum(c * sg.trace(sg.matrix_function(B, f="z**3"), axis1=1, axis2=2) / s).grad(B)
    assert "order" not in str(g)
    np.testing.assert_allclose(g(B=a[None], c=[3.0], s=0.5), 18 * a[None] @ a, rtol=1e-14)


@pytest.mark.parametrize("spectrum", SPECTRA, ids=str)
@pytest.mark.parametrize("values", [sg.eigvalsh, lambda a: sg.eigh(a)[0]], ids=["eigvalsh", "eigh"])
@pytest.mark.parametrize("f", ["w**3", "log(w)", "exp(w)*sum(w)"])
def test_forward_twice(f: str, values: Callable[[Any], Any], spectrum: list[float]) -> None:
    """Two pushforwards, one inside the other, give what differentiating the formula of matrices does."""
    a, e = BASIS @ np.diag(spectrum) @ BASIS.T, DIRECTION
    w = values(A)
    y = sg.sum({"w**3": w**3, "log(w)": sg.log(w), "exp(w)*sum(w)": sg.exp(w) * sg.sum(w)}[f])
    inverse = np.linalg.inv(a)
    v, basis = np.linalg.eigh(a)
    turned = basis.T @ e @ basis
    with np.errstate(all="ignore"):
        gap = v[:, None] - v
        plain = (np.exp(v[:, None]) - np.exp(v)) / gap
    mean = np.exp((v[:, None] + v) / 2) * (1 + gap**2 / 24)  # of exp, up to gap**4/1920
    second_exp = float(np.sum(np.where(np.abs(gap) < 1e-2, mean, plain) * turned**2))
    first_exp = float(np.sum(np.exp(v) * np.diag(turned)))
    expected = {
        "w**3": 6 * np.trace(a @ e @ e),
        "log(w)": -np.trace(inverse @ e @ inverse @ e),
        "exp(w)*sum(w)": second_exp * np.sum(v) + 2 * first_exp * np.trace(e),
    }[f]
    np.testing.assert_allclose(y.jvp(A, E).jvp(A, E)(A=a, E=e), expected, rtol=1e-9)


def test_weights_that_differ_at_coinciding_eigenvalues() -> None:
    """What has no derivative has the documented one: nothing flows between the eigenvectors of one eigenvalue."""
    a, c = sg.matrix("A", "n,n"), sg.vector("c", "n")
    f = sg.sum(c * sg.eigvalsh(a))
    weights, at = np.array([1.0, 2.0, 5.0]), np.diag([1.0, 1.0, 3.0])
    np.testing.assert_allclose(f.grad(a)(A=at, c=weights), np.diag(weights))
    hessian = f.hessian(a)(A=at, c=weights)
    assert np.isfinite(hessian).all() and not hessian[:2, :2, :2, :2].any()
    np.testing.assert_allclose(hessian[0, 2, 0, 2], (weights[2] - weights[0]) / (3 - 1) / 2)
    assert not f.hessian(a)(A=np.eye(3), c=weights).any()
    assert np.isfinite(sg.sum(c * sg.svdvals(a)).hessian(a)(A=np.eye(3), c=weights)).all()


@pytest.mark.parametrize(
    "norm", [lambda a: sg.norm(a, "nuc"), lambda a: sg.sum(sg.sqrt(sg.eigvalsh(a.T @ a)))], ids=["svd", "eigenvalues"]
)
def test_nuclear_norm_where_singular_values_coincide(norm: Callable[[sg.Expr], sg.Expr]) -> None:
    """The second derivative of the nuclear norm at the identity along E: (norm(E)**2 - tr(E @ E))/2."""
    a = sg.matrix("A", "n,n")
    hessian = norm(a).hessian(a)(A=np.eye(3))
    e = np.random.default_rng(0).normal(size=(3, 3))
    expected = ((e * e).sum() - np.trace(e @ e)) / 2
    np.testing.assert_allclose(np.einsum("ijkl,ij,kl", hessian, e, e), expected, rtol=1e-9)
