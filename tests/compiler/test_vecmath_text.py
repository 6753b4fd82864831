"""The text that the vector mathematics gives: what is defined, once, for every target, without calls outside."""

from __future__ import annotations

import ctypes
import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from symgrad.compiler.llvm.vecmath import FUNCTIONS, definitions
from symgrad.compiler.llvm.vecmath_accuracy import MEASURED, NOTES, PROMISED

from tests.compiler.vecmath_harness import apply, engine_of, loop, optimised

EVERYTHING = [(name, dtype, lanes) for name in FUNCTIONS for dtype in ("f64", "f32") for lanes in (1, 8)]


def defined(text: str) -> list[str]:
    return re.findall(r"^define [^@]*(@[\w.]+)\(", text, re.MULTILINE)


@pytest.mark.parametrize("inline", [True, False])
def test_everything_is_defined_once_and_valid(inline: bool) -> None:
    text = definitions(EVERYTHING, inline=inline)
    names = defined(text)
    assert len(names) == len(set(names))
    assert {f"@vm.{name}.{dtype}.v{lanes}" for name, dtype, lanes in EVERYTHING} <= set(names)
    llvm.parse_assembly(text).verify()


def test_only_llvm_intrinsics_are_called() -> None:
    text = definitions(EVERYTHING)
    called = set(re.findall(r"call [^@]*(@[\w.]+)\(", text))
    assert {name for name in called if not name.startswith("@llvm.")} <= set(defined(text))


def test_text_depends_on_the_requests_alone() -> None:
    once = definitions(EVERYTHING[:20])
    assert definitions(reversed(EVERYTHING[:20])) == once
    assert definitions(EVERYTHING[:20] * 2) == once
    assert definitions([]) == ""


def test_attributes_follow_inline() -> None:
    request = [("exp", "f64", 4)]
    assert "@vm.exp.f64.v4(<4 x double> %x0) alwaysinline" in definitions(request)
    assert "@vm.exp.f64.v4(<4 x double> %x0) noinline" in definitions(request, inline=False)
    assert "@vm.exp.careful.f64.v4(<4 x double> %x0) noinline cold" in definitions(request)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        definitions([("nonsense", "f64", 1)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy_is_stated_and_kept(name: str) -> None:
    assert max(MEASURED[name]) <= PROMISED.get(name, 2.0)
    assert set(NOTES) <= set(FUNCTIONS)


@pytest.mark.parametrize("lanes", [2, 4, 16])
def test_other_lane_counts_have_the_same_bits(lanes: int) -> None:
    x = np.concatenate([np.linspace(-800, 800, 61), [1e9, -1e300, np.inf, np.nan, 5e-324]])
    for name in ("exp", "sin", "log"):
        np.testing.assert_array_equal(apply(name, "f64", lanes, x), apply(name, "f64", 1, x))


def test_sine_and_cosine_of_one_argument_share_their_work() -> None:
    both = (
        definitions([("sin", "f64", 4), ("cos", "f64", 4)])
        + """
define <4 x double> @both(<4 x double> %x) {
  %s = call <4 x double> @vm.sin.f64.v4(<4 x double> %x)
  %c = call <4 x double> @vm.cos.f64.v4(<4 x double> %x)
  %y = fadd <4 x double> %s, %c
  ret <4 x double> %y
}"""
    )
    one = definitions([("sin", "f64", 4)]) + "\n" + loop("sin", "f64", 4)

    def products(text: str, function: str) -> int:
        body = str(optimised(text).get_function(function))
        return body.count("@llvm.fma.v4f64") + body.count("fmul")

    assert products(both, "both") <= products(one, "apply") + 1


def test_a_machine_without_fused_multiply_add_gives_the_same_bits() -> None:
    x = np.linspace(-30, 30, 64)
    for name in ("exp", "sin", "tanh"):
        plain = llvm.Target.from_default_triple().create_target_machine(opt=1, jit=True)
        engine = engine_of(definitions([(name, "f64", 1)]) + loop(name, "f64", 1), plain)
        out = np.empty_like(x)
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        kind(engine.get_function_address("apply"))(x.ctypes.data, out.ctypes.data, x.size)
        np.testing.assert_array_equal(out, apply(name, "f64", 1, x))
