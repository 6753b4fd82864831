# ruff: noqa: E501  (cases are read in lines)
"""What strangers hand over, by every door: each gives numbers, or an error of ours that says something, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg

DECLARED = {"x": "", "y": "", "v": "n", "A": "m,n"}
POINT = {"x": 1.0, "y": 2.0, "v": np.ones(3), "A": np.ones((2, 3))}
SECONDS = 20.0
"""Far more than any of them takes, and far less than one that does not end."""
TEXTS = """1e999*x|0x10*x|1_000*x|1j*x|0o7*x|1__0*x|1.e*x|x if|f'{x}'|b'x'|lambda: x|(x:=3)|x := 3|__class__|x.__class__|x.T.__class__
x;y|import os|x=3|x==|x<y<v<A|[x for x in v]|{x:y}|{x}|*x|x**|x***y|x<<2|x is y|x in v|await x|yield x|...|x[...]|v[::0]|v[1:2:3:4]
v[99999999999999999999]|v[-99999999999999999999]|v[0.5]|v['a']|v[x]|A[0,0,0]|sum(v,axis=5)|sum(v,axis=-7)|sum(A,axis=(0,0))|sum()
sum(v,v,v,v)|exp()|exp(x,y)|exp(q=x)|zeros(10**30)|ones((10**9,10**9,10**9))|reshape(v,(3,-1,-1))|reshape(v,(0,))|x**10**10**10|10**10**10
2**-10**10*x|sin sin|sin x|where(x,y)|clip(x,1)|None|print(x)|open('f')|eval('x')|getattr(x,y)|norm(v,ord='q')|norm(v,ord=1e400)
einsum('i->ii',v)|einsum(v)|einsum('i,i->',v)|solve(A,v)|inv(x)|det(v)|inv(A)|cholesky(v)|softmax(x)|cumsum(x)|polygamma(0.5,x)
sinxx(x,order=31)|sinxx(x,order=-1)|diff(v,n=10**9)|roll(v,10**30)|tile(v,10**12)|repeat(v,10**13)|concatenate([])|stack([v,A])
take(v,99999999999)|v[n]|v[-n-1]|outer(A,A)|kron(v,v)*10**400|x/0|0/0|0**-1|log(0)|1e-999*x|1e308*10*x|`x`|x!|$x|x?y:x|(,)|()|x(y)|v(x)
\u202ex|x\u200b+y|\u2169+y|x\u00b2|x\u2212y|\U0001d431+1|\ufeffx+1|x\u0301+1|x\x00|\x00|'x'|x'y|@|A@A|A@v@A""".replace("\n", "|")


def check(f: Callable[[], Any]) -> None:
    """`f` gives something, or one of our errors with a reason, and does not take long."""
    start, said = time.monotonic(), "something with a reason"
    try:
        f()
    except sg.SymgradError as error:
        said = str(error)
    assert len(said) > 8
    assert time.monotonic() - start < SECONDS


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("text", TEXTS.split("|"))
def test_texts_are_computed_or_refused(text: str) -> None:
    def computed() -> None:
        f = sg.parse(text, **DECLARED)
        f(**{n: POINT.get(n, 1.0) for n in f.shapes})
        assert str(f) and f.latex()

    check(computed)


LONG = {
    "digits": "9" * 5000 + "*x", "signs": "-" * 100_000 + "x", "brackets": "[" * 5000 + "x" + "]" * 5000, "powers": "x" + "**2" * 3000,
    "calls": "sin(" * 3000 + "x" + ")" * 3000, "transposes": "x" + ".T" * 20_000, "name": "a" * 300_000, "nots": "not " * 5000 + "x",
}  # fmt: skip


@pytest.mark.parametrize("kind", LONG)
def test_long_texts_are_read_or_refused(kind: str) -> None:
    check(lambda: sg.parse(LONG[kind], **DECLARED))


NAMES = ["", "1x", "a b", "x\n", "x;y", "class", "None", "x\x00", "\ud800", "a.b", "sum", "n", "tmp", "_t0", "cse0", "lambda_", "%x", "!d", "\u6570", "x0"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_taken_or_refused(name: str) -> None:
    def used() -> None:
        x = sg.scalar(name)
        assert sg.compile((x * 2).grad(x), inputs=[x])(3.0) == 2

    check(used)


SHAPES = ["-1", "0.5", "n,,m", "n m", "n*", "n/0", "n-n", "9" * 400, "10**30", "2**63", "n**n", "f16[n]", "c64[n]", "f64[", "n]", "...", "None", "n;m",
          3.5, -2, 2**70, None, (1, 2, "n"), ("n", -1), (0.5,), {"a": 1}, b"n", True, object(), (None,)]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: repr(s)[:20])
def test_shapes_are_taken_or_refused(shape: Any) -> None:
    check(lambda: sg.parse("sum(x)", x=shape).grad("x"))


class Refusing:
    def __array__(self, *args: Any, **keywords: Any) -> Any:
        raise ZeroDivisionError("no")


class Lying:
    def __array__(self, *args: Any, **keywords: Any) -> Any:
        return "no"


class Sizeless:
    def __float__(self) -> float:
        raise KeyError("no")

    def __len__(self) -> int:
        raise KeyError("no")


LOOP: list[Any] = []
LOOP.append(LOOP)
VALUES = [Refusing(), Lying(), Sizeless(), LOOP, None, "abc", b"abc", [1, [2, 3]], {}, {1, 2}, (i for i in range(3)), object(), float, 1j, [10**400], [1e400],
          np.ones(3, object), np.zeros(3, [("a", "f8")]), np.array(["2020-01-01"], "M8[D]"), np.array([1], "m8[s]"), np.ones(3) * 1j, np.ones((3, 3)),
          np.float64(3), Ellipsis, slice(3), bytearray(24), memoryview(np.ones(3)), np.lib.stride_tricks.as_strided(np.ones(1), (10**6,), (0,))]  # fmt: skip
F = sg.compile(sg.parse("sum(v**2)*y", v="n", y=""), wrt="v")


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_values_are_computed_with_or_refused(value: Any) -> None:
    check(lambda: F(value, 2.0))
    check(lambda: F(np.ones(3), value))
    check(lambda: F.grad(value, 2.0))


FUNCTIONS: list[Callable[[Any], Any]] = [
    lambda x: None, lambda x: "a", lambda x: x if x > 0 else -x, float, int, lambda x: np.linalg.matrix_rank(x), lambda x: np.fft.fft(x),
    lambda x: np.array([x, x], object), bool, len, lambda x: x[10**30], lambda x: x + 1j, lambda x: x + "a", lambda x: x @ x,
    lambda x: x ** object(), lambda x: np.float64(x), complex, range, lambda x: f"{x:.3f}", lambda x: x.__setitem__(0, 1), lambda x: np.copyto(x, 1),
]  # fmt: skip


@pytest.mark.parametrize("shape", ["", "3"])
@pytest.mark.parametrize("k", range(len(FUNCTIONS)))
def test_functions_are_traced_or_refused(k: int, shape: str) -> None:
    check(lambda: sg.from_function(FUNCTIONS[k], x=shape))


READ_ONLY = np.ones(3)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    "out", [READ_ONLY, np.ones(4), np.ones(3, "f4"), np.ones(3, int), "x", 3, [1, 2, 3], np.broadcast_to(np.ones(1), 3)], ids=lambda o: repr(o)[:25]
)
def test_memory_for_results_that_does_not_fit_is_refused(out: Any) -> None:
    with pytest.raises(sg.SymgradError, match="out"):
        F.grad(np.ones(3), 2.0, out=out)


def test_views_of_one_buffer_may_overlap() -> None:
    buffer = np.arange(6.0)
    np.testing.assert_array_equal(F.grad(buffer[:3], 2.0, out=buffer[1:4]), [0, 4, 8])
