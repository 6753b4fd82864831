"""How kernels are called: binding of sizes, errors, results, extern routines, loops, scalar instructions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symgrad.compiler.externs import EXTERNS, extern
from symgrad.compiler.interpreter import interpret
from symgrad.compiler.kernel import Kernel, ShapeMismatch, TypeMismatch, compile_program
from symgrad.compiler.llvm.jit import Target
from symgrad.compiler.reader import ProgramSyntaxError, read_program
from symgrad.compiler.scalars import SCALARS, Extern, VectorMath, kind
from symgrad.compiler.verify import InvalidProgram, verify

SHIFTED = "program(x: f64[n], y: f64[n + 1])\n  t: f64[i < n] = add(x[i], y[add(i, 1)])\n  return t\n"


def kernel_of(text: str, **options: Any) -> Kernel:
    return compile_program(read_program(text), **options)


@pytest.fixture(scope="module")
def shifted() -> Kernel:
    return kernel_of(SHIFTED)


@pytest.mark.parametrize(
    ("arrays", "error"),
    [
        ((np.zeros(3), np.zeros(3)), ShapeMismatch),
        ((np.zeros((3, 1)), np.zeros(4)), ShapeMismatch),
        ((np.zeros(3),), TypeMismatch),
        ((np.zeros(3, np.float32), np.zeros(4)), TypeMismatch),
        ((np.zeros(6)[::2], np.zeros(4)), TypeMismatch),
    ],
)
def test_wrong_arrays(shifted: Kernel, arrays: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        shifted(*arrays)


def test_results_are_written_to_out(shifted: Kernel) -> None:
    x, y, out = np.arange(5.0), np.arange(6.0), np.empty(5)
    assert shifted(x, y, out=[out])[0] is out
    assert np.array_equal(out, x + y[1:])
    for bad in (x, np.empty(4), np.empty(5, np.float32), np.empty(10)[::2]):
        with pytest.raises(TypeMismatch):
            shifted(x, y, out=[bad])


def test_an_input_may_be_an_output() -> None:
    x = np.arange(3.0)
    twice = kernel_of("program(x: f64[n])\n  t: f64[i < n] = mul(2.0, x[i])\n  return x, t, t\n")(x)
    assert twice[0] is not x
    assert [list(array) for array in twice] == [[0, 1, 2], [0, 2, 4], [0, 2, 4]]


def test_sizes_beyond_memory_are_refused() -> None:
    kernel = kernel_of("program(x: f64[n]) sizes(p)\n  t: f64[i < p, j < p] = x[0]\n  return t\n")
    with pytest.raises((MemoryError, ValueError)):
        kernel(np.zeros(1), sizes={"p": 2**40})
    with pytest.raises(ShapeMismatch):
        kernel(np.zeros(1))


def test_extern_routines_and_their_errors() -> None:
    kernel = kernel_of(
        "program(x: f64[n])\n  s: f64[n] = extern sort() of (x)\n  t: f64[i < n] = neg(s[i])\n  return t\n"
    )
    assert np.array_equal(kernel(np.array([3.0, 1, 2]))[0], [-1, -2, -3])

    @extern("test.fails")
    def fails(params: tuple[object, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        raise ArithmeticError(params[0])

    try:
        failing = kernel_of('program(x: f64[n])\n  s: f64[n] = extern test.fails("why") of (x)\n  return s\n')
        with pytest.raises(ArithmeticError, match="why"):
            failing(np.zeros(2))
    finally:
        del EXTERNS["test.fails"]


LOOPS = {
    "scan": """
program(x: f64[n, p], h: f64[p])
  loop n
    carry c: f64[p] from h to last next d
    slice row: f64[p] of x
    stack d to all
    d: f64[i < p] = add(mul(0.5, c[i]), row[i])
  end
  return last, all
""",
    "reversed": """
program(x: f64[n, p], h: f64[p])
  loop n reverse
    carry c: f64[p] from h to last next d
    slice row: f64[p] of x
    stack c to before
    d: f64[i < p] = sin(add(c[i], row[i]))
  end
  return last, before
""",
    "while": """
program(x: f64[n, p], h: f64[p])
  loop 1000 while go
    carry c: f64[p] from h to last next d
    s: f64 = add[i < p] mul(c[i], c[i])
    go: bool = gt(s[], 0.001)
    d: f64[i < p] = mul(0.5, c[i])
  end
  return last
""",
    "swap": """
program(x: f64[n, p], h: f64[p])
  g: f64[i < p] = mul(2.0, h[i])
  loop n
    carry a: f64[p] from h to A next b
    carry b: f64[p] from g to B next a
  end
  return A, B
""",
    "nested": """
program(x: f64[n, p], h: f64[p])
  loop n
    carry c: f64[p] from h to last next e
    slice row: f64[p] of x
    loop 3
      carry d: f64[p] from c to e next f
      f: f64[i < p] = add(mul(0.1, d[i]), mul(h[i], row[i]))
    end
  end
  return last
""",
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_loops(name: str, n: int) -> None:
    program = read_program(LOOPS[name])
    rng = np.random.default_rng(n)
    x, h = rng.standard_normal((n, 5)), rng.standard_normal(5)
    for got, want in zip(compile_program(program)(x, h), interpret(program, x, h), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


FLOATS = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 3.5, 7.25, -7.25, 1e-300, 1e300, np.inf, -np.inf, np.nan, 0.5, 2.0, 5.0]
)
INTEGERS = np.array([0, 1, -1, 2, -3, 7, -7, 63, 2**40, -(2**40), np.iinfo(np.int64).max, np.iinfo(np.int64).min])
OWN = [name for name, row in SCALARS.items() if not isinstance(next(iter(row.emit.values())), VectorMath | Extern)]
EXTERN = [name for name, row in SCALARS.items() if isinstance(row.emit.get("f"), Extern)]
VALUES = {
    "f64": FLOATS,
    "f32": np.where(np.abs(FLOATS) < 1e30, FLOATS, np.copysign(np.inf, FLOATS)).astype(np.float32),
    "i64": INTEGERS,
    "bool": np.array([False, True]),
}

CASES = [(name, dtype) for name in OWN for dtype in VALUES if kind(dtype) in SCALARS[name].emit]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_scalar_instructions_on_special_values(name: str, dtype: str) -> None:
    """Vectors and scalars have the bits of NumPy for every combination of operands."""
    row = SCALARS[name]
    letters = "TT" if row.folds else row.args
    types = ["bool" if letter == "b" else dtype for letter in letters]
    grid = np.meshgrid(*(VALUES[t] for t in types), indexing="ij")
    arrays = [np.ascontiguousarray(part.ravel()) for part in grid]
    result = dtype if row.result == "T" else row.result
    inputs = ", ".join(f"x{k}: {t}[n]" for k, t in enumerate(types))
    call = f"{name}({', '.join(f'x{k}[i]' for k in range(len(types)))})"
    kernel = kernel_of(f"program({inputs})\n  t: {result}[i < n] = {call}\n  return t\n")
    got, expected = kernel(*arrays)[0], np.asarray(row.numpy(*arrays))
    if name in ("fma", "muladd"):
        moderate = np.all([np.abs(array) < 100 for array in arrays], axis=0)
        np.testing.assert_allclose(got[moderate], expected[moderate], rtol=1e-5 if dtype == "f32" else 1e-13)
        return
    assert np.array_equal(got, expected, equal_nan=result in ("f64", "f32"))
    alone = [kernel(*(array[k : k + 1] for array in arrays))[0][0] for k in range(len(arrays[0]))]
    assert np.array_equal(np.array(alone), got, equal_nan=result in ("f64", "f32"))


@pytest.mark.parametrize("name", EXTERN)
def test_functions_of_scipy(name: str) -> None:
    row = SCALARS[name]
    arrays = [np.linspace(0.1, 0.9, 7), np.linspace(0.2, 3, 7), np.linspace(0.2, 0.8, 7)][: len(row.args)]
    inputs = ", ".join(f"x{k}: f64[n]" for k in range(len(row.args)))
    call = f"{name}({', '.join(f'x{k}[i]' for k in range(len(row.args)))})"
    kernel = kernel_of(f"program({inputs})\n  t: f64[i < n] = {call}\n  return t\n")
    np.testing.assert_allclose(kernel(*arrays)[0], row.numpy(*arrays), rtol=1e-13)


def test_integer_powers_wrap() -> None:
    kernel = kernel_of("program(x: i64[n], k: i64[n])\n  t: i64[i < n] = pow(x[i], k[i])\n  return t\n")
    x, k = np.array([2, -3, 0, 1, -1, 10, 7]), np.array([10, 3, 0, 2**40, 2**40 + 1, 18, -1])
    assert list(kernel(x, k)[0]) == [1024, -27, 1, 1, -1, 10**18, 0]


@pytest.mark.parametrize(
    ("cpu", "features", "wanted"),
    [
        ("skylake-avx512", "+avx512f,+avx512dq,+avx512vl,+avx2,+fma", "zmm"),
        ("haswell", "+avx2,+fma", "ymm"),
        ("x86-64", "+sse2", "xmm"),
    ],
)
def test_code_for_other_processors(cpu: str, features: str, wanted: str) -> None:
    kernel = kernel_of(SHIFTED, target=Target("x86_64-unknown-linux-gnu", cpu, features))
    assert wanted in kernel.assembly


def test_code_for_aarch64() -> None:
    target = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon")
    assert "fadd" in kernel_of(SHIFTED, target=target).assembly


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("t: f64[i < n] = add(x[i], k[i])", "operands of types"),
        ("t: f64[i < n] = add(x[j], 1.0)", "no axis j"),
        ("t: f64[i < n] = u[i]", "read before"),
        ("t: f64[i < n] = x[i, i]", "2 indices"),
        ("t: f64[i < n] = x[x[i]]", "not i64"),
        ("t: i64[i < n] = x[i]", "the value is f64"),
        ("t: f64[i < n] = nothing(x[i])", "no scalar instruction"),
        ("x: f64[i < n] = 1.0", "defined twice"),
        ("t: f64 = and[i < n] x[i]", "no reduction"),
    ],
)
def test_invalid_programs(body: str, message: str) -> None:
    with pytest.raises(InvalidProgram, match=message):
        verify(read_program(f"program(x: f64[n], k: i64[n])\n  {body}\n  return x\n"))


@pytest.mark.parametrize(
    "text", ["", "program(x f64)", "program()\n  t = \n return t", "program()\n  t: f64 = %\n  return t"]
)
def test_text_that_is_no_program(text: str) -> None:
    with pytest.raises(ProgramSyntaxError):
        read_program(text)
