"""Scalar instructions, one row each: what they take, what NumPy computes, which LLVM IR computes it.

An emission is a sequence of IR lines in which ``{0}``, ``{1}`` are the operands, ``{t}`` their type, ``{m}`` the type
of a truth value with as many lanes, ``{s}`` the suffix of an intrinsic (``v8f64``), ``{zero}``, ``{one}``, ``{inf}``,
``{all}`` constants of type ``{t}``.  A line ``name = …`` may be used further down as ``{name}``; the last line is the
result.  The same lines with one lane are the scalar code, so scalar and vector results have the same bits.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from .records import record
from .types import DTYPES, is_float

Array = Any
Lines = tuple[str, ...]


@record(frozen=True, slots=True)
class VectorMath:
    """Emitted as a call of the vector mathematics' function `name`."""

    name: str


@record(frozen=True, slots=True)
class Extern:
    """Emitted as one call per lane of the C function ``double f(double, …, int)``, the last argument 0.

    The function is ``__pyx_capi__[symbol]`` of the Cython module `module`, looked up when code that calls it is loaded.
    """

    module: str
    symbol: str
    arity: int


Emission = Lines | VectorMath | Extern


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar instruction.

    `args` has one letter per operand: ``T`` (all of one type), ``b`` (bool), ``*`` (any type); ``T…`` folds two or
    more operands. `result` is ``T`` or the name of a type.  `emit` is chosen by the kind of T: ``f`` floats, ``i``
    i64, ``b`` bool.
    """

    name: str
    args: str
    result: str
    numpy: Callable[..., Array]
    emit: Mapping[str, Emission] = field(default_factory=dict)

    @property
    def folds(self) -> bool:
        """Whether the instruction takes two or more operands and combines them from the left."""
        return self.args == "T…"


SCALARS: dict[str, Scalar] = {}
REDUCTIONS = ("add", "mul", "min", "max", "and", "or")


def kind(dtype: str) -> str:
    """``f``, ``i`` or ``b``: the group of types that share one emission."""
    return "f" if is_float(dtype) else dtype[0]


def neutral(op: str, dtype: str) -> float | int | bool:
    """The value of the empty reduction of `op` (one of REDUCTIONS)."""
    largest: float | int = float("inf") if is_float(dtype) else int(np.iinfo(np.int64).max)
    smallest: float | int = -largest if is_float(dtype) else int(np.iinfo(np.int64).min)
    return {"add": 0, "mul": 1, "min": largest, "max": smallest, "and": -1 if dtype == "i64" else True, "or": 0}[op]


def result_type(name: str, args: list[str]) -> str:
    """The element type that instruction `name` gives for operands of the types `args`; TypeError says what is wrong."""
    row = SCALARS.get(name)
    if row is None:
        raise TypeError(f"there is no scalar instruction {name}")
    pattern = "T" * len(args) if row.folds and len(args) >= 2 else row.args
    if len(pattern) != len(args):
        raise TypeError(f"{name} takes {'two or more' if row.folds else len(row.args)} operands, got {len(args)}")
    common = {dtype for letter, dtype in zip(pattern, args, strict=True) if letter == "T"}
    if len(common) > 1 or any(letter == "b" and dtype != "bool" for letter, dtype in zip(pattern, args, strict=True)):
        raise TypeError(f"{name} does not take operands of types {', '.join(args)}")
    own = next(iter(common)) if common else args[0]
    if kind(own) not in row.emit:
        raise TypeError(f"{name} is not defined for {own}")
    return own if row.result == "T" else row.result


def _row(name: str, args: str, result: str, numpy: Callable[..., Array], **emit: str | Lines | Emission) -> None:
    """Registers a row; the emission of several kinds may share one keyword, as in ``ib="…"``."""
    rows = {
        letter: (lines,) if isinstance(lines, str) else lines for letters, lines in emit.items() for letter in letters
    }
    SCALARS[name] = Scalar(name, args, result, numpy, rows)


def _fold(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda *args: reduce(function, args)


# ---- arithmetic

_row("add", "T…", "T", _fold(np.add), f="fadd {t} {0}, {1}", i="add {t} {0}, {1}")
_row("mul", "T…", "T", _fold(np.multiply), f="fmul {t} {0}, {1}", i="mul {t} {0}, {1}")
_row("sub", "TT", "T", np.subtract, f="fsub {t} {0}, {1}", i="sub {t} {0}, {1}")
_row("div", "TT", "T", np.divide, f="fdiv {t} {0}, {1}")
_row("neg", "T", "T", np.negative, f="fneg {t} {0}", i="sub {t} {zero}, {0}")
_row("abs", "T", "T", np.abs, f="call {t} @llvm.fabs.{s}({t} {0})", i="call {t} @llvm.abs.{s}({t} {0}, i1 false)")
_row("floor", "T", "T", np.floor, f="call {t} @llvm.floor.{s}({t} {0})")
_row("ceil", "T", "T", np.ceil, f="call {t} @llvm.ceil.{s}({t} {0})")
_row("rint", "T", "T", np.rint, f="call {t} @llvm.rint.{s}({t} {0})")
_row("trunc", "T", "T", np.trunc, f="call {t} @llvm.trunc.{s}({t} {0})")
_row("sqrt", "T", "T", np.sqrt, f="call {t} @llvm.sqrt.{s}({t} {0})")
_row("copysign", "TT", "T", np.copysign, f="call {t} @llvm.copysign.{s}({t} {0}, {t} {1})")
_row("fma", "TTT", "T", lambda a, b, c: a * b + c, f="call {t} @llvm.fma.{s}({t} {0}, {t} {1}, {t} {2})")
# The accumulation of sums: contracted where the target has the instruction, two roundings elsewhere.
_row(
    "muladd",
    "TTT",
    "T",
    lambda a, b, c: a * b + c,
    f="call {t} @llvm.fmuladd.{s}({t} {0}, {t} {1}, {t} {2})",
    i=("p = mul {t} {0}, {1}", "add {t} {p}, {2}"),
)
_row(
    "sign",
    "T",
    "T",
    np.sign,
    f=(
        "up = fcmp ogt {t} {0}, {zero}",
        "down = fcmp olt {t} {0}, {zero}",
        "equal = fcmp oeq {t} {0}, {zero}",
        "rest = select {m} {equal}, {t} {zero}, {t} {0}",
        "low = select {m} {down}, {t} {minus}, {t} {rest}",
        "select {m} {up}, {t} {one}, {t} {low}",
    ),
    i=(
        "up = icmp sgt {t} {0}, {zero}",
        "down = icmp slt {t} {0}, {zero}",
        "low = select {m} {down}, {t} {minus}, {t} {zero}",
        "select {m} {up}, {t} {one}, {t} {low}",
    ),
)
_row(
    "min",
    "T…",
    "T",
    _fold(np.minimum),
    i="call {t} @llvm.smin.{s}({t} {0}, {t} {1})",
    b="and {t} {0}, {1}",
    f=(
        "less = fcmp olt {t} {0}, {1}",
        "nan = fcmp uno {t} {0}, {0}",
        "first = or {m} {less}, {nan}",
        "select {m} {first}, {t} {0}, {t} {1}",
    ),
)
_row(
    "max",
    "T…",
    "T",
    _fold(np.maximum),
    i="call {t} @llvm.smax.{s}({t} {0}, {t} {1})",
    b="or {t} {0}, {1}",
    f=(
        "more = fcmp ogt {t} {0}, {1}",
        "nan = fcmp uno {t} {0}, {0}",
        "first = or {m} {more}, {nan}",
        "select {m} {first}, {t} {0}, {t} {1}",
    ),
)

# Integer division never traps: x // 0 and x % 0 are 0 as in NumPy, and the quotient by -1 is the wrapped negation.
_SAFE = (
    "zero_divisor = icmp eq {t} {1}, {zero}",
    "minus_divisor = icmp eq {t} {1}, {minus}",
    "unsafe = or {m} {zero_divisor}, {minus_divisor}",
    "d = select {m} {unsafe}, {t} {one}, {t} {1}",
    "q = sdiv {t} {0}, {d}",
    "p = mul {t} {q}, {d}",
    "r = sub {t} {0}, {p}",
    "inexact = icmp ne {t} {r}, {zero}",
    "signs = xor {t} {r}, {d}",
    "differ = icmp slt {t} {signs}, {zero}",
    "adjust = and {m} {inexact}, {differ}",
)
_REMAINDER = (
    "r = frem {t} {0}, {1}",
    "inexact = fcmp une {t} {r}, {zero}",
    "low = fcmp olt {t} {r}, {zero}",
    "negative = fcmp olt {t} {1}, {zero}",
    "differ = xor {m} {low}, {negative}",
    "adjust = and {m} {inexact}, {differ}",
    "moved = fadd {t} {r}, {1}",
    "nothing = call {t} @llvm.copysign.{s}({t} {zero}, {t} {1})",
    "kept = select {m} {inexact}, {t} {r}, {t} {nothing}",
)
_row("fmod", "TT", "T", np.fmod, f="frem {t} {0}, {1}", i=(*_SAFE, "select {m} {unsafe}, {t} {zero}, {t} {r}"))
_row(
    "mod",
    "TT",
    "T",
    np.mod,
    f=(*_REMAINDER, "select {m} {adjust}, {t} {moved}, {t} {kept}"),
    i=(
        *_SAFE,
        "moved = add {t} {r}, {d}",
        "kept = select {m} {adjust}, {t} {moved}, {t} {r}",
        "select {m} {unsafe}, {t} {zero}, {t} {kept}",
    ),
)
_row(
    "floordiv",
    "TT",
    "T",
    np.floor_divide,
    f=(
        "plain = fdiv {t} {0}, {1}",
        *_REMAINDER,
        "whole = fsub {t} {0}, {r}",
        "exact = fdiv {t} {whole}, {1}",
        "less = fadd {t} {exact}, {minus}",
        "moved = select {m} {adjust}, {t} {less}, {t} {exact}",
        "near = call {t} @llvm.rint.{s}({t} {moved})",
        "empty = fcmp oeq {t} {near}, {zero}",
        "signed = call {t} @llvm.copysign.{s}({t} {zero}, {t} {plain})",
        "body = select {m} {empty}, {t} {signed}, {t} {near}",
        "by_zero = fcmp oeq {t} {1}, {zero}",
        "select {m} {by_zero}, {t} {plain}, {t} {body}",
    ),
    i=(
        *_SAFE,
        "less = add {t} {q}, {minus}",
        "kept = select {m} {adjust}, {t} {less}, {t} {q}",
        "negated = sub {t} {zero}, {0}",
        "one_more = select {m} {minus_divisor}, {t} {negated}, {t} {kept}",
        "select {m} {zero_divisor}, {t} {zero}, {t} {one_more}",
    ),
)

# ---- truth values

_numpy: Callable[..., Array]
for _name, _numpy, _ordered, _signed in (("eq", np.equal, "oeq", "eq"), ("ne", np.not_equal, "une", "ne")):
    _row(_name, "TT", "bool", _numpy, f=f"fcmp {_ordered} {{t}} {{0}}, {{1}}", ib=f"icmp {_signed} {{t}} {{0}}, {{1}}")
for _name, _numpy in (("lt", np.less), ("le", np.less_equal), ("gt", np.greater), ("ge", np.greater_equal)):
    _row(
        _name,
        "TT",
        "bool",
        _numpy,
        f=f"fcmp o{_name} {{t}} {{0}}, {{1}}",
        i=f"icmp s{_name} {{t}} {{0}}, {{1}}",
        b=f"icmp u{_name} {{t}} {{0}}, {{1}}",
    )
_row("and", "T…", "T", _fold(np.bitwise_and), ib="and {t} {0}, {1}")
_row("or", "T…", "T", _fold(np.bitwise_or), ib="or {t} {0}, {1}")
_row("xor", "TT", "T", np.bitwise_xor, ib="xor {t} {0}, {1}")
_row("not", "T", "T", np.invert, ib="xor {t} {0}, {all}")
_row("isnan", "T", "bool", np.isnan, f="fcmp uno {t} {0}, {0}")
_row("isfinite", "T", "bool", np.isfinite, f=("size = call {t} @llvm.fabs.{s}({t} {0})", "fcmp one {t} {size}, {inf}"))
_row("isinf", "T", "bool", np.isinf, f=("size = call {t} @llvm.fabs.{s}({t} {0})", "fcmp oeq {t} {size}, {inf}"))
_row("where", "bTT", "T", np.where, fib="select {m} {0}, {t} {1}, {t} {2}")
_row(
    "mask",
    "bT",
    "T",
    lambda c, x: np.where(c, x, np.zeros((), np.asarray(x).dtype)),
    fib="select {m} {0}, {t} {1}, {t} {zero}",
)

# ---- casts; a float beyond int64 becomes the nearest int64, NaN becomes 0

_WIDEN = {"f": "{convert}", "i": "sitofp {t} {0} to {r}", "b": "uitofp {t} {0} to {r}"}


def _cast(dtype: str) -> Callable[[Array], Array]:
    if dtype != "i64":
        return lambda x: np.asarray(x).astype(DTYPES[dtype])

    def to_integer(x: Array) -> Array:
        x = np.asarray(x)
        if x.dtype.kind != "f":
            return x.astype(np.int64)
        inside = (x >= -(2.0**63)) & (x < 2.0**63)
        limit = np.where(x > 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min)
        return np.where(inside, np.where(inside, x, 0).astype(np.int64), np.where(np.isnan(x), 0, limit))

    return to_integer


_row("cast.f64", "*", "f64", _cast("f64"), **_WIDEN)
_row("cast.f32", "*", "f32", _cast("f32"), **_WIDEN)
_row(
    "cast.i64",
    "*",
    "i64",
    _cast("i64"),
    f="call {r} @llvm.fptosi.sat.{rs}.{s}({t} {0})",
    i="or {t} {0}, {zero}",
    b="zext {t} {0} to {r}",
)
_row(
    "cast.bool",
    "*",
    "bool",
    _cast("bool"),
    f="fcmp une {t} {0}, {zero}",
    i="icmp ne {t} {0}, {zero}",
    b="or {t} {0}, {zero}",
)


# ---- mathematics


def _special(name: str) -> Callable[..., Array]:
    def function(*args: Array) -> Array:
        return getattr(importlib.import_module("scipy.special"), name)(*args)

    return function


def _erfcx_derivative(n: Array, x: Array) -> Array:
    """The derivative of one order n >= 1 of exp(x**2) erfc(x), as `llvm.vecmath_zeta` computes it."""
    order, x = int(np.max(n, initial=1)), np.asarray(x)
    before, last = _special("erfcx")(x), 2 * x * _special("erfcx")(x) - 2 / np.sqrt(np.pi)
    first = before
    for k in range(1, order):
        before, last = last, 2 * (x * last + k * before)
    z = np.maximum(x, 0.5)
    ratio, product = np.zeros_like(z), np.ones_like(z)
    for k in range(order + 800, 0, -1):
        ratio = k / (2 * (z + ratio))
        if k <= order:
            product = product * (-2 * ratio)
    return np.where(x < 0.5, last, first * product)


def _lambertw(branch: int, x: Array) -> Array:
    """The real values of Lambert's W; the float nearest to -1/e counts as -1/e."""
    w = _special("lambertw")(np.asarray(x, np.float64), branch)
    real = np.where(w.imag == 0, w.real, np.nan)
    return np.where(np.asarray(x, np.float64) == -np.exp(-1.0), -1.0, real).astype(np.asarray(x).dtype)


def _sech_squared(x: Array) -> Array:
    """1/cosh(x)**2, which does not overflow on the way."""
    e = np.exp(-2 * np.abs(x))
    return 4 * e / (1 + e) ** 2


def _integer_power(x: Array, k: Array) -> Array:
    x, k = np.broadcast_arrays(np.asarray(x), np.asarray(k))
    with np.errstate(over="ignore"):
        return np.where(k >= 0, np.power(x, np.maximum(k, 0)), 0)


MATHEMATICS: dict[str, tuple[int, Callable[..., Array]]] = {
    "exp": (1, np.exp),
    "expm1": (1, np.expm1),
    "exp2": (1, np.exp2),
    "log": (1, np.log),
    "log1p": (1, np.log1p),
    "log2": (1, np.log2),
    "log10": (1, np.log10),
    "sin": (1, np.sin),
    "cos": (1, np.cos),
    "tan": (1, np.tan),
    "asin": (1, np.arcsin),
    "acos": (1, np.arccos),
    "atan": (1, np.arctan),
    "atan2": (2, np.arctan2),
    "sinh": (1, np.sinh),
    "cosh": (1, np.cosh),
    "tanh": (1, np.tanh),
    "sech_squared": (1, _sech_squared),
    "asinh": (1, np.arcsinh),
    "acosh": (1, np.arccosh),
    "atanh": (1, np.arctanh),
    "sigmoid": (1, _special("expit")),
    "softplus": (1, lambda x: np.logaddexp(x, np.zeros((), np.asarray(x).dtype))),
    "logsigmoid": (1, _special("log_expit")),
    "logaddexp": (2, np.logaddexp),
    "erf": (1, _special("erf")),
    "erfc": (1, _special("erfc")),
    "erfcx": (1, _special("erfcx")),
    "erfinv": (1, _special("erfinv")),
    "erfcinv": (1, _special("erfcinv")),
    "ndtr": (1, _special("ndtr")),
    "log_ndtr": (1, _special("log_ndtr")),
    "ndtri": (1, _special("ndtri")),
    "gammaln": (1, _special("gammaln")),
    "digamma": (1, _special("psi")),
    "erfcx_derivative": (2, _erfcx_derivative),
    "zeta": (2, _special("zeta")),
    "lambertw0": (1, lambda x: _lambertw(0, x)),
    "lambertw1": (1, lambda x: _lambertw(-1, x)),
    "i0e": (1, _special("i0e")),
    "i1e": (1, _special("i1e")),
    "pow": (2, np.power),
    "cbrt": (1, np.cbrt),
    "hypot": (2, np.hypot),
}
for _name, (_arity, _function) in MATHEMATICS.items():
    _row(_name, "T" * _arity, "T", _function, f=VectorMath(_name))
_row(
    "pow",
    "TT",
    "T",
    lambda x, k: np.power(x, k) if np.asarray(x).dtype.kind == "f" else _integer_power(x, k),
    f=VectorMath("pow"),
    i=VectorMath("ipow"),
)

for _name, _symbol, _arity in (
    ("i0", "i0", 1),
    ("i1", "i1", 1),
    ("j0", "j0", 1),
    ("j1", "j1", 1),
    ("y0", "y0", 1),
    ("y1", "y1", 1),
    ("jv", "__pyx_fuse_1jv", 2),
    ("yv", "__pyx_fuse_1yv", 2),
    ("iv", "__pyx_fuse_1iv", 2),
    ("ive", "__pyx_fuse_1ive", 2),
    ("kv", "__pyx_fuse_1kv", 2),
    ("kve", "__pyx_fuse_1kve", 2),
    ("k0", "k0", 1),
    ("k1", "k1", 1),
    ("k0e", "k0e", 1),
    ("k1e", "k1e", 1),
    ("expi", "__pyx_fuse_1expi", 1),
    ("exp1", "__pyx_fuse_1exp1", 1),
    ("dawsn", "__pyx_fuse_1dawsn", 1),
    ("erfi", "__pyx_fuse_1erfi", 1),
    ("spence", "__pyx_fuse_1spence", 1),
    ("betainc", "__pyx_fuse_0betainc", 3),
    ("gamma", "__pyx_fuse_1gamma", 1),
    ("beta", "beta", 2),
    ("betaln", "betaln", 2),
    ("gammainc", "gammainc", 2),
    ("gammaincc", "gammaincc", 2),
    ("logit", "__pyx_fuse_0logit", 1),
    ("xlogy", "__pyx_fuse_1xlogy", 2),
    ("xlog1py", "__pyx_fuse_1xlog1py", 2),
    ("entr", "entr", 1),
    ("rel_entr", "rel_entr", 2),
):
    _row(
        _name,
        "T" * _arity,
        "T",
        _special(_name),
        f=Extern("scipy.special.cython_special", _symbol, _arity),
    )
