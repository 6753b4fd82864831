"""LLVM IR as text: types, values of several instances, and the lines of one function.

An operand of the kernel's code is a `Value`: a scalar or a vector (`lanes` > 1), once for each combination of the
copies of unrolled axes that it depends on.  The text is written directly because objects cost ten times as much.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..records import record
from ..scalars import SCALARS, Extern, VectorMath, kind
from .vecmath_builder import literal

SCALAR = {"f64": "double", "f32": "float", "i64": "i64", "bool": "i1"}
MEMORY = {"f64": "double", "f32": "float", "i64": "i64", "bool": "i8"}
BYTES = {"f64": 8, "f32": 4, "i64": 8, "bool": 1}

Coordinates = tuple[int, ...]


class Value(NamedTuple):
    """An operand: element type, lanes (1: a scalar), the unrolled axes it varies with, and its SSA name for each
    copy.
    """

    dtype: str
    lanes: int
    axes: tuple[str, ...]
    refs: dict[Coordinates, str]

    def ref(self, at: dict[str, int]) -> str:
        """The SSA name of the copy at the position `at`; an axis that is not there stands at 0."""
        return self.refs[tuple(at.get(axis, 0) for axis in self.axes)]


def vector(scalar: str, lanes: int) -> str:
    """The type of `lanes` values of the IR type `scalar`."""
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def suffix(dtype: str, lanes: int) -> str:
    """The suffix of an intrinsic's name."""
    scalar = {"f64": "f64", "f32": "f32", "i64": "i64", "bool": "i1"}[dtype]
    return scalar if lanes == 1 else f"v{lanes}{scalar}"


def constant(number: float | int | bool, dtype: str, lanes: int = 1) -> str:
    """A constant as an operand."""
    return literal(number, SCALAR[dtype], lanes)


@record(frozen=True, slots=True)
class Template:
    """The lines of an instruction for one element type and lane count; each is (name of the result or '', text)."""

    lines: tuple[tuple[str, str], ...]
    fields: dict[str, str]


@lru_cache(maxsize=4096)
def template(op: str, dtype: str, result: str, lanes: int) -> Template | VectorMath | Extern:
    """How `op` is written for operands of type `dtype`; `dtype` is the type that its emission is chosen by."""
    emission = SCALARS[op].emit[kind(dtype)]
    if not isinstance(emission, tuple):
        return emission
    scalar = SCALAR[dtype]
    fields = {
        "t": vector(scalar, lanes),
        "m": vector("i1", lanes),
        "s": suffix(dtype, lanes),
        "r": vector(SCALAR[result], lanes),
        "rs": suffix(result, lanes),
        "zero": constant(0, dtype, lanes),
        "one": constant(1, dtype, lanes),
        "minus": constant(-1, dtype, lanes),
        "all": constant(-1 if dtype == "i64" else 1, dtype, lanes),
        "inf": constant(float("inf"), dtype, lanes) if kind(dtype) == "f" else "",
        "convert": "",
    }
    if kind(dtype) == "f":
        fields["convert"] = f"{'fpext' if dtype == 'f32' else 'fptrunc'} {fields['t']} {{0}} to {fields['r']}"
    lines = []
    for line in emission:
        name, _, text = line.rpartition(" = ") if line.partition(" = ")[0].isidentifier() else ("", "", line)
        lines.append((name, text.replace("{convert}", fields["convert"])))
    return Template(tuple(lines), fields)


class Function:
    """The lines of one IR function under construction.

    Lines at `entry` run once; `allocate` puts a mutable register there, which LLVM turns into an SSA value.  While
    `rare` is set mathematics is called instead of inlined, which makes code that seldom runs small.
    """

    def __init__(self) -> None:
        self.entry: list[str] = []
        self.lines: list[str] = []
        self.count = 0
        self.mathematics: set[tuple[str, str, int]] = set()
        self.externs: dict[str, Extern] = {}
        self.outlined: set[tuple[str, str, int]] = set()
        self.rare = False

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def emit(self, text: str) -> str:
        """Appends an instruction and returns its result's name."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def at_entry(self, text: str) -> str:
        name = self.fresh()
        self.entry.append(f"  {name} = {text}")
        return name

    def allocate(self, type_: str, initial: str) -> str:
        """A mutable register, set to `initial` here."""
        name = self.at_entry(f"alloca {type_}")
        self.do(f"store {type_} {initial}, ptr {name}")
        return name

    def splat(self, ref: str, dtype: str, lanes: int) -> str:
        """`ref` in all lanes."""
        scalar = SCALAR[dtype]
        if lanes == 1:
            return ref
        if ref[0] != "%":
            return f"splat ({scalar} {ref})"
        type_ = vector(scalar, lanes)
        one = self.emit(f"insertelement {type_} poison, {scalar} {ref}, i64 0")
        return self.emit(f"shufflevector {type_} {one}, {type_} poison, <{lanes} x i32> zeroinitializer")

    def instruction(self, op: str, dtype: str, result: str, lanes: int, args: list[str]) -> str:
        """One instruction of `scalars.py` on operands that all have `lanes` lanes."""
        if op.startswith("cast.") and dtype == result:
            return args[0]
        form = template(op, dtype, result, lanes)
        if isinstance(form, VectorMath):
            return self._mathematics(form.name, dtype, lanes, args)
        if isinstance(form, Extern):
            return self._extern(form, dtype, lanes, args)
        if SCALARS[op].folds:
            total = args[0]
            for arg in args[1:]:
                total = self._lines(form, [total, arg])
            return total
        return self._lines(form, args)

    def _lines(self, form: Template, args: list[str]) -> str:
        if len(form.lines) == 1:
            return self.emit(form.lines[0][1].format(*args, **form.fields))
        fields = dict(form.fields)
        for name, text in form.lines:
            fields[name] = self.emit(text.format(*args, **fields))
        return fields[""]

    def _mathematics(self, name: str, dtype: str, lanes: int, args: list[str]) -> str:
        self.mathematics.add((name, dtype, lanes))
        type_, prefix = vector(SCALAR[dtype], lanes), "vm"
        if self.rare:
            self.outlined.add((name, dtype, lanes))
            prefix = "out"
        return self.emit(
            f"call {type_} @{prefix}.{name}.{dtype}.v{lanes}({', '.join(f'{type_} {arg}' for arg in args)})"
        )

    def _extern(self, row: Extern, dtype: str, lanes: int, args: list[str]) -> str:
        name = f"{row.module}.{row.symbol}"
        self.externs[name] = row
        type_, scalar = vector(SCALAR[dtype], lanes), SCALAR[dtype]
        result = "poison"
        for k in range(lanes):
            each = [arg if lanes == 1 else self.emit(f"extractelement {type_} {arg}, i64 {k}") for arg in args]
            if dtype == "f32":
                each = [self.emit(f"fpext float {x} to double") for x in each]
            one = self.emit(f'call double @"{name}"({"".join(f"double {x}, " for x in each)}i32 0)')
            if dtype == "f32":
                one = self.emit(f"fptrunc double {one} to float")
            result = one if lanes == 1 else self.emit(f"insertelement {type_} {result}, {scalar} {one}, i64 {k}")
        return result
