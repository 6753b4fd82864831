"""Elementary and special functions as LLVM IR text, for scalars and for vectors of any lane count.

`definitions` gives the text of the functions that an emitter calls; the numerical bodies stand in the
`vecmath_*` files by theme, each written once over `vecmath_builder.Value` and registered by `function`.  They
inline into the caller's loops, call no library and use no table beyond a few hundred bytes, so that results do not
depend on the machine's libm, on the lane count, or on whether the target has a fused multiply-add instruction.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from . import (
    vecmath_bessel,
    vecmath_error,
    vecmath_exponential,
    vecmath_gamma,
    vecmath_inverse,
    vecmath_lambert,
    vecmath_logarithm,
    vecmath_normal,
    vecmath_power,
    vecmath_removable,
    vecmath_trigonometric,
    vecmath_zeta,
)
from .vecmath_builder import FLOAT, Builder, Need
from .vecmath_registry import BODIES, CONSTANTS, FUNCTIONS, Body

__all__ = ["FUNCTIONS", "definitions"]

THEMES = (
    vecmath_bessel,
    vecmath_error,
    vecmath_exponential,
    vecmath_gamma,
    vecmath_inverse,
    vecmath_lambert,
    vecmath_logarithm,
    vecmath_normal,
    vecmath_power,
    vecmath_removable,
    vecmath_trigonometric,
    vecmath_zeta,
)
"""The modules whose import fills the table of functions."""

Request = tuple[str, str, int]
PURE = "nounwind willreturn memory(none)"


def definitions(requests: Iterable[Request], inline: bool = True) -> str:
    """LLVM IR that defines `@vm.NAME.DTYPE.vLANES` for each (name, dtype, lanes), and all they call, each once.

    With `inline` the functions are `alwaysinline`, else `noinline` (smaller code, quicker to compile).  Raises
    KeyError for an unknown name.
    """
    pending = [Need(*request) for request in requests]
    done: dict[Need, str] = {}
    while pending:
        need = pending.pop()
        if need not in done:
            done[need], more = _definition(need, inline)
            pending.extend(more)
    text = "\n".join(done[need] for need in sorted(done, key=_order))
    constants = [line for symbol, line in CONSTANTS.items() if symbol in text]
    return "\n".join([*constants, text])


def _order(need: Need) -> tuple[str, str, int, bool]:
    return need.name, need.dtype, need.lanes, need.per_lane


@lru_cache(maxsize=1024)
def _definition(need: Need, inline: bool) -> tuple[str, tuple[Need, ...]]:
    body = BODIES[need.name]
    if need.per_lane:
        return _lane_loop(need, body.arity), (Need(need.name, need.dtype, 1),)
    b = Builder(need.dtype, need.lanes)
    args = [b.parameter() for _ in range(body.arity)]
    if need.dtype == "f32" and body.wide:
        wide = b.call(need.name, *(x.convert("fpext", "double") for x in args))
        result = wide.convert("fptrunc", "float")
    else:
        result = body.emit(b, *args)
    kind = b.type(b.float)
    parameters = ", ".join(f"{kind} {x.text}" for x in args)
    symbol = f"@vm.{need.name}.{need.dtype}.v{need.lanes}"
    lines = [
        f"define internal {kind} {symbol}({parameters}) {_attributes(body, need.lanes, inline)} {{",
        "entry:",
        *b.lines,
        f"  ret {kind} {result.text}",
        "}",
    ]
    return "\n".join(lines), tuple(b.needs)


def _attributes(body: Body, lanes: int, inline: bool) -> str:
    if body.slow:
        # what hardly ever runs is compiled quickly; vectors would be taken apart, which takes longer
        return f"noinline {'optnone ' if body.seldom and lanes == 1 else ''}cold {PURE}"
    return f"{'alwaysinline' if inline else 'noinline'} {PURE}"


def _lane_loop(need: Need, arity: int) -> str:
    """A cold loop that redoes the bad lanes of `%usual` by the scalar function."""
    scalar = FLOAT[need.dtype]
    vector, flags, name = f"<{need.lanes} x {scalar}>", f"<{need.lanes} x i1>", f"@vm.{need.name}.{need.dtype}"
    parameters = ", ".join(f"{vector} %x{k}" for k in range(arity))
    extracts = "\n".join(f"  %a{k} = extractelement {vector} %x{k}, i32 %i" for k in range(arity))
    arguments = ", ".join(f"{scalar} %a{k}" for k in range(arity))
    return f"""\
define internal {vector} {name}.v{need.lanes}.lanes({vector} %usual, {parameters}, {flags} %bad) noinline cold {PURE} {{
entry:
  br label %lane
lane:
  %i = phi i32 [ 0, %entry ], [ %next, %continue ]
  %sofar = phi {vector} [ %usual, %entry ], [ %result, %continue ]
  %isbad = extractelement {flags} %bad, i32 %i
  br i1 %isbad, label %redo, label %continue
redo:
{extracts}
  %again = call {scalar} {name}.v1({arguments})
  %replaced = insertelement {vector} %sofar, {scalar} %again, i32 %i
  br label %continue
continue:
  %result = phi {vector} [ %sofar, %lane ], [ %replaced, %redo ]
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, {need.lanes}
  br i1 %more, label %lane, label %done
done:
  ret {vector} %result
}}"""
