"""Arrays from strangers: an error of ours, or the right numbers, and the process lives."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import OutOfMemory, SymgradError


def compiled(text: str, **shapes: str) -> Any:
    return sg.compile(sg.parse(text, **shapes))


# ---- element types and shapes

BAD: list[tuple[Any, str]] = [
    (np.array([1.0, None], dtype=object), "object"),
    (np.array(["1", "2"]), ""),
    (np.array([1 + 2j, 3.0]), "complex"),
    (np.array([1, 2], dtype="datetime64[s]"), "datetime"),
    (np.ma.masked_array([1.0, 2.0], mask=[True, False]), "masked"),
    (np.zeros(2, dtype=[("a", float)]), ""),
    (np.zeros((2, 2)), "f64[n]"),
    (np.float64(3.0), "f64[n]"),
    ([[1.0], [2.0, 3.0]], ""),
    ([1.0, [2.0]], ""),
    ("text", ""),
    (None, ""),
    ({1: 2}, ""),
    (lambda: 3, ""),
    (10**400, ""),
    ([10**400], ""),
]


@pytest.mark.parametrize(("value", "said"), BAD, ids=lambda v: str(v)[:30])
@pytest.mark.parametrize("how", ["compiled", "gradient", "interpreted", "check", "trace"])
def test_what_is_no_array_of_numbers_is_refused(value: Any, said: str, how: str) -> None:
    e = sg.parse("sum(x**2)", x="n")
    f = sg.compile(e)
    call = {"compiled": f, "gradient": f.grad, "interpreted": e, "check": f.check, "trace": f.trace_nan}[how]
    for _ in range(3):  # also once the function has machine code of its own for such calls
        with pytest.raises(SymgradError, match="x") as caught:
            call(value)
        assert said in str(caught.value)
    f([1.0, 2.0])


READ: list[Any] = [
    np.array([True, False]), np.array([1, 2], np.int8), np.array([1, 2], np.uint64), np.array([1, 2], ">f8"),
    np.array([1, 2], np.float16), np.array([1, 2], np.float32), [1, 2.5], (1, 2), range(2), np.zeros(0),
    np.arange(10.0)[::-3], np.asfortranarray(np.ones((3, 2)))[1], np.broadcast_to(2.0, (4,)),
    np.frombuffer(b"\0" + np.arange(3.0).tobytes(), np.float64, offset=1, count=3),
    np.array([1.0, 2.0]).view(np.matrix).A1, np.longdouble([1, 2]),
]  # fmt: skip


@pytest.mark.parametrize("value", READ, ids=lambda v: f"{getattr(v, 'dtype', type(v).__name__)}-{np.shape(v)}")
def test_any_memory_is_read(value: Any) -> None:
    f = compiled("sum(x**2) + 1", x="n")
    expected = np.sum(np.asarray(value, np.float64) ** 2) + 1
    before = np.array(value)
    for _ in range(3):
        assert f(value) == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(f.grad(value), 2 * np.asarray(value, np.float64))
    np.testing.assert_array_equal(before, np.asarray(value))


def test_subclasses_do_not_leak_through() -> None:
    """A subclass that lies about its arithmetic is read as the memory that it is."""

    class Liar(np.ndarray):
        def __array_finalize__(self, parent: Any) -> None:
            pass

        def __mul__(self, other: Any) -> Any:
            raise AssertionError("used")

    x = np.array([1.0, 2.0]).view(Liar)
    assert compiled("sum(x*x)", x="n")(x) == 5.0


# ---- sizes

@pytest.mark.parametrize(
    ("text", "shapes", "values"),
    [
        ("outer(x, x)", {"x": "n"}, {"x": np.broadcast_to(1.0, (2**40,))}),
        ("sum(outer(x, y), axis=0)*1", {"x": "n", "y": "m"}, {"x": np.broadcast_to(1.0, (2**36,)), "y": [1.0]}),
        ("x[:, None, None]*x[:, None]*x", {"x": "n"}, {"x": np.ones(2_000_000)}),
        ("zeros((n, n, n)) + sum(x)", {"x": "n"}, {"x": np.ones(3_000_000)}),
        ("eye(n) + sum(x)", {"x": "n"}, {"x": np.ones(50_000_000)}),
    ],
)  # fmt: skip
def test_too_much_memory_is_an_error(text: str, shapes: dict[str, str], values: dict[str, Any]) -> None:
    """More than 64 bits can index, or than there is: an error that says so, and the function still works."""
    f = compiled(text, **shapes)
    for _ in range(3):
        with pytest.raises(OutOfMemory, match="memory"):
            f(**values)
        f(**{n: [1.0, 2.0] for n in values})


def test_sizes_that_overflow_when_they_are_declared() -> None:
    for shape in ("9223372036854775808", "99999999999999999999999", "4294967296,4294967296,4294967296", "-1"):
        with pytest.raises(SymgradError):
            compiled("sum(x)", x=shape)(np.zeros(1))
    with pytest.raises(OutOfMemory):
        sg.compile(sg.parse("zeros(10**30)"))()


# ---- indices

@pytest.mark.parametrize("k", [[0, 5], [-6, 0], [2**62, 0], [-(2**63), 0], [2**63 - 1, 0], [5, 5]])
@pytest.mark.parametrize("text", ["x[k]", "sum(x[k]**2)", "take(x, k)"])
def test_indices_are_checked(text: str, k: list[int]) -> None:
    e = sg.parse(text, x="n", k="i64[m]")
    x = np.arange(5.0)
    f = sg.compile(e)
    for call in (e, f) if e.ndim else (e, f, sg.compile(e, wrt="x").grad):
        with pytest.raises(SymgradError, match=r"out of (range|bounds)"):
            call(x=x, k=np.array(k))
    for ok in ([0, 4], [-5, -1], []):
        np.testing.assert_array_equal(f(x=x, k=np.array(ok, int)), e(x=x, k=np.array(ok, int)))


# ---- out=

def test_out_may_be_an_input() -> None:
    """Results are as if they were computed first and copied then, whatever memory they share with inputs."""
    f = sg.compile(sg.parse("A @ x + cumsum(x)[::-1]", A="n,n", x="n"))
    rng = np.random.default_rng(0)
    A, x = rng.normal(size=(6, 6)), rng.normal(size=6)
    expected = A @ x + np.cumsum(x)[::-1]
    same = x.copy()
    for out, given in (
        (same, (A, same)),
        (np.empty(12)[::2], (A, x)),
        (np.empty(6)[::-1], (A, x)),
    ):
        assert f(*given, out=out) is out
        np.testing.assert_allclose(out, expected)
    B = A.copy()
    row = f(B, x, out=B[2])
    np.testing.assert_allclose(row, expected)
    long = np.concatenate([x, np.zeros(3)])
    f(A, long[:6], out=long[3:])
    np.testing.assert_allclose(long[3:], expected)


@pytest.mark.parametrize(
    "out",
    [
        np.empty(3), np.empty(2, np.float32), np.empty((2, 1)), [0.0, 0.0], 3.0, np.empty(2, object),
        np.broadcast_to(1.0, 2),
    ],
    ids=lambda v: type(v).__name__,
)
def test_out_that_does_not_fit_is_refused(out: Any) -> None:
    f = compiled("2*x", x="n")
    for _ in range(3):
        with pytest.raises(SymgradError, match="out"):
            f([1.0, 2.0], out=out)


# ---- threads

def test_many_threads_build_compile_and_call() -> None:
    """Formulas made, derived, compiled and called from many threads at once: the same bits as alone."""
    texts = [f"sum(log(1 + exp(-x*{k})) + sin(x)**{k % 4 + 1})" for k in range(5)]
    x = np.linspace(-3, 3, 5001)

    def alone(text: str) -> tuple[float, bytes]:
        f = sg.compile(sg.parse(text, x="n"))
        return f(x), f.grad(x).tobytes()

    expected = [alone(t) for t in texts]
    start = threading.Barrier(4)

    def work(seed: int) -> None:
        start.wait()
        order = np.random.default_rng(seed).permutation(len(texts))
        for k in order:
            assert alone(texts[k]) == expected[k]

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, s) for s in range(4)]:
            done.result()


def test_one_function_from_many_threads() -> None:
    """The same bits from every thread, with errors and other shapes in between, and for any number of threads
    inside."""
    e = sg.parse("sum(log(1 + exp(-y*(X @ w))))", X="m,n", y="m", w="n")
    f = sg.compile(e, wrt="w")
    rng = np.random.default_rng(2)
    sizes = ((1000, 5), (7, 3), (20000, 2))
    cases = [(rng.normal(size=n), rng.normal(size=(m, n)), rng.normal(size=m)) for m, n in sizes]
    expected = [(f(*c), f.grad(*c).tobytes()) for c in cases]
    for threads in (1, 2, 5):
        g = sg.compile(e, wrt="w", threads=threads)
        assert [(g(*c), g.grad(*c).tobytes()) for c in cases] == expected

    def work(k: int) -> None:
        for j in range(30):
            c = cases[(j + k) % 3]
            assert (f(*c), f.grad(*c).tobytes()) == expected[(j + k) % 3]
            with pytest.raises(SymgradError):
                f(np.ones(2), np.ones((2, 3)), np.ones(2))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, k) for k in range(8)]:
            done.result()
