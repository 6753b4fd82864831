"""The kernels that matter most for AArch64 with NEON: looked at and made into object code, not run."""

from __future__ import annotations

import re

import pytest
from symgrad.compiler.kernel import compile_program
from symgrad.compiler.llvm.gram import gram_product
from symgrad.compiler.llvm.jit import Target, assembly, object_code, optimized_text
from symgrad.compiler.llvm.packed import packed_product
from symgrad.compiler.llvm.vecmath import definitions
from symgrad.compiler.reader import read_program

from tests.compiler.programs import HESSIAN, LOGISTIC, NETWORK

NEON = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon")
ELF, AARCH64 = b"\x7fELF", 183
PROGRAMS = {
    "logistic": (LOGISTIC, "copies 4 apart"),
    "hessian": (HESSIAN, "packed halves"),
    "network": (NETWORK, "gemm or panels"),
}
SHARED = {
    "gram f64": gram_product("f64", 2, ""),
    "gram f32": gram_product("f32", 4, ""),
    "packed f64": packed_product("f64", 2, ""),
    "packed f32": packed_product("f32", 4, ""),
}
MATHEMATICS = ["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "gammaln", "atan"]


def is_object_of_aarch64(code: bytes) -> bool:
    return code[:4] == ELF and int.from_bytes(code[18:20], "little") == AARCH64


def instructions(text: str) -> set[str]:
    """The mnemonics of assembly with the shape of their vectors (``fmla.2d``)."""
    found = set()
    for line in text.splitlines():
        if match := re.match(r"\s+([a-z]\w*)\s+(v\d+\.(\d[ds]))?", line):
            found.add(match[1] + (f".{match[3]}" if match[3] else ""))
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    text, said = PROGRAMS[name]
    kernel = compile_program(read_program(text), target=NEON)
    assert said in kernel.loops and "lanes 2" in kernel.loops
    own = kernel.llvm.split("; a module of its own")[0]
    assert "<2 x double>" in own and "<4 x double>" not in own
    assert "fmla.2d" in instructions(kernel.assembly)
    assert is_object_of_aarch64(object_code(own, NEON))


@pytest.mark.parametrize("name", SHARED)
def test_own_products(name: str) -> None:
    shape = "4s" if name.endswith("f32") else "2d"
    found = instructions(assembly(SHARED[name], NEON))
    assert f"fmla.{shape}" in found and "fmadd" not in found
    assert ("prfm" in found) == name.startswith("gram")
    assert is_object_of_aarch64(object_code(SHARED[name], NEON))


@pytest.mark.parametrize(("dtype", "lanes", "type_", "shape"), [("f64", 2, "double", "2d"), ("f32", 4, "float", "4s")])
def test_vector_mathematics(dtype: str, lanes: int, type_: str, shape: str) -> None:
    vector = f"<{lanes} x {type_}>"
    calls = "\n".join(
        f"define {vector} @{name}({vector} %x) {{\n"
        f"  %y = call {vector} @vm.{name}.{dtype}.v{lanes}({vector} %x)\n  ret {vector} %y\n}}"
        for name in MATHEMATICS
    )
    text = "\n".join([calls, definitions([(name, dtype, lanes) for name in MATHEMATICS])])
    optimized = optimized_text(text, NEON)
    for name in MATHEMATICS:
        assert not re.search(rf"call .*@vm\.{name}\.{dtype}", optimized), "it is inlined"
    assert {f"fmla.{shape}", f"fdiv.{shape}"} <= instructions(assembly(text, NEON))
    assert is_object_of_aarch64(object_code(text, NEON))
