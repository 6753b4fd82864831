"""The module of a schedule: its nests, the entry that runs them, the mathematics that they call; products stand in
modules of their own.

    i64 entry(ptr arrays, ptr sizes, ptr callback)

`arrays` are the pointers in the order of the schedule's arrays and one more to scratch memory for streams, `sizes`
its sizes, `callback(number, arrays, sizes)` answers for extern routines that have no machine code or give up.  The
result is 0, 1 if an index was out of range, 2 if a routine failed.
"""

from __future__ import annotations

from ..blas import GEMM, is_library
from ..loops import Schedule, Stream
from ..records import record
from ..scalars import SCALARS, Extern
from .builder import SCALAR, vector
from .emit import NestEmitter
from .entry import CombineEmitter, EntryEmitter, StreamEmitter
from .integers import INTEGER_FUNCTIONS
from .products import OWN
from .vecmath import definitions


@record(frozen=True, slots=True)
class Module:
    """LLVM IR text with the C functions that it calls, and the modules that define what else it calls."""

    text: str
    externs: dict[str, Extern]
    others: tuple[str, ...]


def emit_module(schedule: Schedule, attributes: str) -> Module:
    """The IR of `schedule`; `attributes` are put on every function (target CPU and features)."""
    mathematics: set[tuple[str, str, int]] = set()
    outlined: set[tuple[str, str, int]] = set()
    externs: dict[str, Extern] = {}
    products: set[tuple[str, str, int]] = set()
    nests: dict[str, NestEmitter] = {}
    arrays = schedule.arrays | schedule.shadows
    parts = []
    for nest in schedule.nests:
        nests[nest.name] = emitter = NestEmitter(arrays, nest)
        parts.append(emitter.text())
        mathematics |= emitter.mathematics
        outlined |= emitter.outlined
        externs |= emitter.externs
        products |= emitter.products
    for action in schedule.actions:
        if isinstance(action, Stream):
            parts.append(StreamEmitter(schedule, nests, action).text())
            parts.append(CombineEmitter(schedule, nests, action).text())
    entry = EntryEmitter(schedule, nests)
    parts.append(entry.text())
    for routine in entry.routines:
        parts.append(routine.text())
        mathematics |= routine.mathematics
        externs |= routine.externs
    if any(row in GEMM.values() for row in externs.values()):
        parts.append(
            '@blas.plain = private constant [2 x i8] c"N\\00"\n@blas.transposed = private constant [2 x i8] c"T\\00"'
        )
    parts += [_declaration(name, row) for name, row in externs.items()]
    parts += [_outlined(*need) for need in sorted(outlined)]
    parts += [OWN[name][0](dtype, lanes) for name, dtype, lanes in sorted(products)]
    integer = [INTEGER_FUNCTIONS[name](lanes) for name, dtype, lanes in sorted(mathematics) if dtype == "i64"]
    floating = definitions(sorted(need for need in mathematics if need[1] != "i64"))
    attribute = f"attributes #0 = {{ nounwind noinline {attributes} }}"
    text = "\n".join([*parts, *dict.fromkeys("\n".join(integer).split("\n\n")), floating, attribute, ""])
    others = tuple(OWN[name][1](dtype, lanes, attributes) for name, dtype, lanes in sorted(products))
    return Module(text, externs, others)


def _declaration(name: str, row: Extern) -> str:
    if is_library(row):
        return f'declare void @"{name}"({", ".join(["ptr"] * row.arity)})'
    return f'declare double @"{name}"({"double, " * row.arity}i32)'


def _outlined(name: str, dtype: str, lanes: int) -> str:
    """A function that calls the inlined one, for places that seldom run."""
    type_ = vector(SCALAR[dtype], lanes)
    args = ", ".join(f"{type_} %x{k}" for k in range(len(SCALARS["pow" if name == "ipow" else name].args)))
    call = f"call {type_} @vm.{name}.{dtype}.v{lanes}({args})"
    return f"define internal {type_} @out.{name}.{dtype}.v{lanes}({args}) #0 {{\n  %y = {call}\n  ret {type_} %y\n}}"
