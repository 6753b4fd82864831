"""Linear algebra, sorting and the functions that SciPy exports no pointers of: machine code without Python inside.

Values are NumPy's and SciPy's; that nothing is called back is seen by what happens when nothing can be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special
from symgrad.compiler.externs import EXTERNS, NATIVE
from symgrad.compiler.llvm.routines_registry import BODIES

import symgrad as sg
from symgrad.lowering import expand, lower

Array = np.ndarray[Any, Any]
Case = tuple[Callable[..., Any], Callable[..., Any], tuple[str, ...], tuple[Callable[[Any], Array], ...]]


def square(rng: Any, *lead: int) -> Array:
    return rng.normal(size=(*lead, 5, 5))  # type: ignore[no-any-return]


def positive(rng: Any, *lead: int) -> Array:
    a = square(rng, *lead)
    return a @ np.swapaxes(a, -1, -2) + np.eye(5)


def tall(rng: Any, *lead: int) -> Array:
    return rng.normal(size=(*lead, 6, 4))  # type: ignore[no-any-return]


def columns(rng: Any, *lead: int) -> Array:
    return rng.normal(size=(*lead, 5, 3))  # type: ignore[no-any-return]


def triangular(lower: bool, trans: int, unit: bool) -> Case:
    def reference(a: Array, b: Array) -> Array:
        return scipy.linalg.solve_triangular(a, b, trans=trans, lower=lower, unit_diagonal=unit)  # type: ignore[no-any-return]

    return (lambda a, b: sg.solve_triangular(a, b, trans, lower, unit), reference, ("n,n", "n,k"), (positive, columns))


def spectral(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def of(a: Array) -> Array:
        w, v = np.linalg.eigh(a)
        return (v * f(w)[..., None, :]) @ np.swapaxes(v, -1, -2)  # type: ignore[no-any-return]

    return of


ONE, BATCH = ("n,n",), ("a,b,n,n",)
CASES: dict[str, Case] = {
    "inv": (sg.inv, np.linalg.inv, BATCH, (lambda r: square(r, 2, 3),)),
    "solve": (sg.solve, np.linalg.solve, ("n,n", "n,k"), (square, columns)),
    "solve one": (sg.solve, np.linalg.solve, ("n,n", "n"), (square, lambda r: r.normal(size=5))),
    "solve many sides": (sg.solve, np.linalg.solve, ("n,n", "q,n,k"), (square, lambda r: columns(r, 4))),
    "solve pairs": (sg.solve, np.linalg.solve, (*BATCH, "b,n,k"), (lambda r: square(r, 2, 3), lambda r: columns(r, 3))),
    "solve crossed": (
        sg.solve, np.linalg.solve, ("1,b,n,n", "a,1,n,k"), (lambda r: square(r, 1, 3), lambda r: columns(r, 2, 1))
    ),
    "det": (sg.det, np.linalg.det, BATCH, (lambda r: square(r, 2, 3),)),
    "logdet": (sg.logdet, lambda a: np.linalg.slogdet(a)[1], BATCH, (lambda r: square(r, 2, 3),)),
    "slogdet": (lambda a: tuple(sg.slogdet(a)), lambda a: tuple(np.linalg.slogdet(a)), ONE, (square,)),
    "det of a singular matrix": (sg.det, np.linalg.det, ONE, (lambda r: np.zeros((5, 5)),)),
    "cofactor": (sg.cofactor, lambda a: np.linalg.det(a) * np.linalg.inv(a).T, ONE, (square,)),
    "cholesky": (sg.cholesky, np.linalg.cholesky, BATCH, (lambda r: positive(r, 2, 3),)),
    "eigh": (lambda a: tuple(sg.eigh(a)), lambda a: tuple(np.linalg.eigh(a)), BATCH, (lambda r: positive(r, 2, 3),)),
    "eigvalsh": (sg.eigvalsh, np.linalg.eigvalsh, BATCH, (lambda r: positive(r, 2, 3),)),
    "svd": (
        lambda a: tuple(sg.svd(a, full_matrices=False)), lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
        ("a,m,n",), (lambda r: tall(r, 2),),
    ),
    "svd, full": (lambda a: tuple(sg.svd(a)), lambda a: tuple(np.linalg.svd(a)), ("m,n",), (lambda r: tall(r).T,)),
    "svdvals": (sg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False), ("a,m,n",), (lambda r: tall(r, 2),)),
    "qr": (lambda a: tuple(sg.qr(a)), lambda a: tuple(np.linalg.qr(a)), ("a,m,n",), (lambda r: tall(r, 2),)),
    "qr of a wide matrix": (lambda a: tuple(sg.qr(a)), lambda a: tuple(np.linalg.qr(a)), ("4,6",), (lambda r: tall(r).T,)),
    "pinv": (sg.pinv, np.linalg.pinv, ("a,m,n",), (lambda r: tall(r, 2),)),
    "pinv of rank 2": (sg.pinv, np.linalg.pinv, ("m,n",), (lambda r: tall(r)[:, :2] @ tall(r)[:2],)),
    "lstsq": (
        lambda a, b: sg.lstsq(a, b)[0], lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], ("m,n", "m,k"),
        (tall, lambda r: r.normal(size=(6, 2))),
    ),
    "expm": (sg.expm, scipy.linalg.expm, BATCH, (lambda r: square(r, 2, 3),)),
    "expm of a large matrix": (sg.expm, scipy.linalg.expm, ONE, (lambda r: -20 * positive(r),)),
    "expm of a small matrix": (sg.expm, scipy.linalg.expm, ONE, (lambda r: 1e-9 * square(r),)),
    "expm far from normal": (sg.expm, scipy.linalg.expm, ONE, (lambda r: np.array([[1, 1e6], [0, -1]]),)),
    "logm": (sg.logm, spectral(np.log), BATCH, (lambda r: positive(r, 2, 3),)),
    "sqrtm": (sg.sqrtm, spectral(np.sqrt), ONE, (positive,)),
    **{
        f"solve_triangular {lower} {trans} {unit}": triangular(lower, trans, unit)
        for lower in (False, True) for trans in (0, 1) for unit in (False, True)
    },
    "zeta": (sg.zeta, scipy.special.zeta, ("n", "n"), (lambda r: r.uniform(1.1, 9, 50), lambda r: r.uniform(0.1, 20, 50))),
    "zeta below 0": (
        sg.zeta, scipy.special.zeta, ("n", "n"), (lambda r: r.integers(2, 6, 50) * 1.0, lambda r: r.uniform(-9, 0, 50))
    ),
    "polygamma": (
        lambda x: tuple(sg.polygamma(n, x) for n in (1, 2, 5)),
        lambda x: tuple(scipy.special.polygamma(n, x) for n in (1, 2, 5)), ("n",), (lambda r: r.uniform(0.1, 30, 50),),
    ),
    "lambertw": (
        lambda x: (sg.lambertw(x), sg.lambertw(-x, -1)),
        lambda x: (scipy.special.lambertw(x).real, scipy.special.lambertw(-x, -1).real),
        ("n",), (lambda r: r.uniform(0, 0.36, 50),),
    ),
}  # fmt: skip


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be called back."""
    for name in EXTERNS:
        monkeypatch.setitem(EXTERNS, name, None)


def compiled(f: Callable[..., Any], shapes: tuple[str, ...], dtype: str = "f64") -> sg.Function:
    xs = [sg.tensor(f"x{k}", f"{dtype}[{shape}]") for k, shape in enumerate(shapes)]
    return sg.compile(f(*xs), inputs=xs)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", CASES)
def test_value(name: str) -> None:
    f, reference, shapes, samples = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [sample(rng) for sample in samples]
    found, expected = compiled(f, shapes)(*arrays), reference(*arrays)
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * max(1, np.abs(b).max()))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", CASES)
def test_float32(name: str) -> None:
    f, reference, shapes, samples = CASES[name]
    if any(word in name for word in ("far", "large", "rank")):
        pytest.skip("beyond what 24 bits tell")
    rng = np.random.default_rng(0)
    arrays = [sample(rng).astype(np.float32) for sample in samples]
    found, expected = compiled(f, shapes, "f32")(*arrays), reference(*(a.astype(np.float64) for a in arrays))
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for a, b in pairs:
        assert np.ndim(a) == 0 or a.dtype == np.float32
        a, b = (abs(a), abs(b)) if name in ("eigh", "svd", "svd, full") else (a, b)  # signs are free
        if name != "svd, full":
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4 * max(1, np.abs(b).max()))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "bool"])
@pytest.mark.parametrize("n", [0, 1, 2, 40, 41, 1000])
def test_sorting(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(3, n)).round(1)
    if dtype in ("f64", "f32"):
        x[0, : n // 4], x[1, n // 2 :], x[2, n // 3 :: 5] = np.nan, -0.0, -np.inf
    x = (x > 0) if dtype == "bool" else (x * (10 if dtype == "i64" else 1)).astype({"i64": np.int64, "f32": np.float32}.get(dtype, np.float64))
    f = compiled(lambda x: (sg.sort(x), sg.argsort(x)), ("m,n",), dtype)
    values, positions = f(x)
    np.testing.assert_array_equal(values, np.sort(x))
    np.testing.assert_array_equal(positions, np.argsort(x, kind="stable"))
    np.testing.assert_array_equal(compiled(lambda x: sg.sort(x, axis=0), ("m,n",), dtype)(x[::-1]), np.sort(x, 0))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted_and_positions(side: str) -> None:
    rng = np.random.default_rng(0)
    a, v = np.sort(rng.integers(0, 9, 20) * 0.5), np.append(rng.integers(-1, 10, 30) * 0.5, np.nan)
    f = compiled(lambda a, v: sg.searchsorted(a, v, side=side), ("n", "k"))
    np.testing.assert_array_equal(f(a, v), np.searchsorted(a, v, side))
    np.testing.assert_array_equal(compiled(lambda x: x[x > 1], ("n",))(a), a[a > 1])


FAILURES: list[tuple[Callable[[Any], Any], Array]] = [
    (sg.inv, np.ones((3, 3))),
    (sg.cholesky, -np.eye(3)),
    (lambda a: sg.solve(a, a), np.zeros((3, 3))),
    (lambda a: sg.solve_triangular(a, a), np.zeros((3, 3))),
    (sg.eigvalsh, np.full((3, 3), np.nan)),
    (sg.svdvals, np.full((3, 3), np.nan)),
]


@pytest.mark.parametrize(("f", "a"), FAILURES)
def test_failures_are_those_of_the_interpreter(f: Callable[[Any], Any], a: Array) -> None:
    x = sg.tensor("x", "n,n")
    with pytest.raises(sg.DomainError) as plain:
        f(x)(x=a)
    call = sg.compile(f(x), inputs=[x])
    for _ in range(2):
        with pytest.raises(sg.DomainError) as found:
            call(a)
        assert str(found.value).splitlines()[0] == str(plain.value).splitlines()[0]
    np.testing.assert_allclose(call(np.eye(3)), f(x)(x=np.eye(3)))  # and the next call is as ever


@pytest.mark.parametrize("f", [sg.inv, sg.det, sg.cholesky, sg.expm, sg.eigvalsh, sg.svdvals, lambda a: sg.solve(a, a)])
def test_empty_matrices(f: Callable[[Any], Any]) -> None:
    x = sg.tensor("x", "b,n,n")
    for shape in ((2, 0, 0), (0, 3, 3)):
        np.testing.assert_array_equal(sg.compile(f(x), inputs=[x])(np.zeros(shape)), f(x)(x=np.zeros(shape)))


def test_every_native_routine_has_a_body_and_a_meaning() -> None:
    assert set(NATIVE) == set(BODIES) <= set(EXTERNS)


def test_nothing_of_the_table_is_called_back() -> None:
    x, y = sg.tensor("x", "n,n"), sg.vector("y", "n")
    roots = [sg.pinv(x), sg.lstsq(x, y)[0], sg.logm(x), sg.cofactor(x), sg.expm(x), sg.polygamma(2, y), sg.sort(y)]
    roots += [sg.sum(sg.logm(x)).grad("x"), sg.sum(sg.log(sg.eigvalsh(x))).hessian("x"), sg.det(x).hessian("x")]
    made = lower(expand([root.node for root in roots]), [x.node, y.node])
    used = {s.function for s in made.program.statements if hasattr(s, "function")}
    assert used <= set(NATIVE), used - set(NATIVE)


def test_threads_share_a_function() -> None:
    x = sg.tensor("x", "n,n")
    f = sg.compile(sg.inv(x), inputs=[x])
    a = positive(np.random.default_rng(0))
    wide = np.kron(np.eye(20), a)
    expected, wrong = np.linalg.inv(wide), []

    def run() -> None:
        wrong.extend(not np.allclose(f(wide), expected) for _ in range(20))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(wrong)


def test_arguments_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    for f, _, shapes, samples in CASES.values():
        arrays = [sample(rng) for sample in samples]
        before = [a.copy() for a in arrays]
        compiled(f, shapes)(*arrays)
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)
