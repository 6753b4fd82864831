"""Expressions of the loop language as LLVM IR: which values are vectors, which copies they have, how memory is read.

An access is contiguous where the last index moves by one from lane to lane and the others stand still, one scalar where
none moves, and a gather otherwise.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from itertools import product

from ..accesses import contiguous
from ..index import Axis, AxisValue, Call, Const, Expr, Load, Reduce, SizeValue
from ..scalars import result_type
from ..types import ArrayType, Dim, FloorDiv, Max0, Monomial, Size
from ..types import product as size_product
from .builder import BYTES, MEMORY, SCALAR, Function, Value, constant, vector

I64 = "i64"


class Expressions(Function):
    """A function whose lines compute expressions over `arrays`.

    `positions` says where each loop stands, `copies` how often each unrolled axis is there, `registers` what is in
    registers; `vector_axis` runs along the lanes, of which `tail` (if any) says which are within the loop.
    """

    def __init__(self, arrays: Mapping[str, ArrayType], written: frozenset[str]) -> None:
        super().__init__()
        self.arrays, self.written = arrays, written
        self.used_arrays: dict[str, None] = {}
        self.used_numbers: dict[str, None] = {}
        self.positions: dict[str, str] = {}
        self.copies: dict[str, int] = {}
        self.steps: dict[str, tuple[str, ...]] = {}
        self.registers: dict[str, Value] = {}
        self.register_axes: dict[str, tuple[str, ...]] = {}
        self.vector_axis, self.lanes = "", 1
        self.tail: Value | None = None
        self.selected: Value | None = None
        self.first_lane = False
        self.levels: list[list[str]] = [self.lines]
        self.known: list[dict[object, Value]] = [{}]
        self.axis_levels: dict[str, int] = {}
        self.register_levels: dict[str, int] = {}
        self.sizes: dict[Dim, str] = {}
        self.status = ""

    # ---- sizes

    @contextmanager
    def before(self) -> Iterator[None]:
        """What is emitted within runs once, at the entry of the function."""
        lines, self.lines = self.lines, self.entry
        try:
            yield
        finally:
            self.lines = lines

    def number(self, name: str) -> str:
        """The i64 argument `name`: a named size or the step of an outer loop."""
        self.used_numbers[name] = None
        return f"%n.{name}"

    def size(self, size: Dim) -> str:
        """The value of `size`, computed at the entry."""
        if isinstance(size, int):
            return str(size)
        if size not in self.sizes:
            with self.before():
                self.sizes[size] = self._polynomial(size)
        return self.sizes[size]

    def _polynomial(self, size: Size) -> str:
        total = ""
        for monomial, c in size.terms:
            term = self._monomial(monomial, c)
            total = self.emit(f"add i64 {total}, {term}") if total else term
        return total

    def _monomial(self, monomial: Monomial, c: int) -> str:
        term = str(c) if c != 1 or not monomial else ""
        for atom, power in monomial:
            match atom:
                case FloorDiv(numerator, denominator):
                    args = [self.size(numerator), self.size(denominator)]
                    ref = self.instruction("floordiv", I64, I64, 1, args)
                case Max0(argument):
                    ref = self.emit(f"call i64 @llvm.smax.i64(i64 {self.size(argument)}, i64 0)")
                case _:
                    ref = self.number(atom)
            for _ in range(power):
                term = self.emit(f"mul i64 {term}, {ref}") if term else ref
        return term

    # ---- values

    def coordinates(self, axes: tuple[str, ...]) -> Iterator[dict[str, int]]:
        """Every position along unrolled `axes`."""
        for at in product(*(range(self.copies.get(axis, 1)) for axis in axes)):
            yield dict(zip(axes, at, strict=True))

    def joined(self, *values: Value) -> tuple[str, ...]:
        """The unrolled axes that any of `values` varies with, in the order of the loops."""
        if len(values) == 1:
            return values[0].axes
        found = {axis for value in values for axis in value.axes}
        return tuple(axis for axis in self.copies if axis in found) if found else ()

    def wide(self, value: Value, at: dict[str, int], lanes: int) -> str:
        """One copy of `value`, in all lanes if it is a scalar."""
        ref = value.ref(at)
        return ref if value.lanes == lanes else self.splat(ref, value.dtype, lanes)

    def combine(self, op: str, *args: Value) -> Value:
        """Instruction `op` applied to every copy."""
        dtype = result_type(op, [arg.dtype for arg in args])
        folded = _folded(op, args)
        if folded is not None:
            return folded
        lanes = max(arg.lanes for arg in args)
        own = args[-1].dtype if op in ("where", "mask") else args[0].dtype
        axes = self.joined(*args)
        refs = {}
        for at in self.coordinates(axes):
            refs[tuple(at.values())] = self.instruction(
                op, own, dtype, lanes, [self.wide(arg, at, lanes) for arg in args]
            )
        return Value(dtype, lanes, axes, refs)

    def value(self, expr: Expr | Reduce) -> Value:
        """`expr` at the place where the loops stand; what an inner loop does not change is computed before it."""
        if isinstance(expr, Reduce):
            return self.unrolled(expr)
        if isinstance(expr, Const):
            return Value(expr.dtype, 1, (), {(): constant(expr.value, expr.dtype)})
        level = self.level_of(expr)
        if level is None:
            return self._value(expr)
        key = (expr, self.first_lane)
        if key not in self.known[level]:
            with self.at_level(level):
                self.known[level][key] = self._value(expr)
        return self.known[level][key]

    @contextmanager
    def at_level(self, level: int) -> Iterator[None]:
        """What is emitted within stands at the end of what is there at that depth of loops."""
        lines, self.lines = self.lines, self.levels[level]
        yield
        self.lines = lines

    def level_of(self, expr: Expr) -> int | None:
        """The depth of loops that `expr` depends on, None if it must be computed where it stands."""
        match expr:
            case AxisValue(name):
                return self.axis_levels.get(name, 0)
            case Load(array, index, checked):
                if checked or (array in self.written and array not in self.registers):
                    return None
                return self.deepest(index, self.register_levels.get(array, 0))
            case Call(_, args):
                return self.deepest(args, 0)
            case _:
                return 0

    def deepest(self, parts: tuple[Expr, ...], least: int) -> int | None:
        """The largest level of `parts`, at least `least`."""
        for part in parts:
            level = self.level_of(part)
            if level is None:
                return None
            least = max(least, level)
        return least

    def _value(self, expr: Expr) -> Value:
        match expr:
            case Const(number, dtype):
                return Value(dtype, 1, (), {(): constant(number, dtype)})
            case AxisValue(name):
                return self.axis(name)
            case SizeValue(size):
                return Value(I64, 1, (), {(): self.size(size)})
            case Load():
                return self.load(expr)
            case Call("where", (condition, yes, no)) if _checks(yes) or _checks(no):
                c = self.value(condition)
                return self.combine(
                    "where", c, self.where_selected(c, yes), self.where_selected(self.combine("not", c), no)
                )
            case Call("mask", (condition, x)) if _checks(x):
                c = self.value(condition)
                return self.combine("mask", c, self.where_selected(c, x))
            case Call(op, args):
                return self.combine(op, *map(self.value, args))

    def where_selected(self, condition: Value, expr: Expr) -> Value:
        """`expr` where only the lanes in which `condition` holds are needed."""
        outer = self.selected
        self.selected = condition if outer is None else self.combine("and", outer, condition)
        found = self.value(expr)
        self.selected = outer
        return found

    def axis(self, name: str) -> Value:
        if name not in self.positions:
            if name in self.copies:
                return Value(I64, 1, (name,), {(k,): str(k) for k in range(self.copies[name])})
            return Value(I64, 1, (), {(): self.number(name)})
        base, count = self.positions[name], self.copies.get(name, 1)
        axes = (name,) if name in self.copies else ()
        moved = (self.emit(f"add i64 {base}, {self.steps[name][k]}") if k else base for k in range(count))
        refs = {(k,) * len(axes): ref for k, ref in enumerate(moved)}
        scalar = Value(I64, 1, axes, refs)
        if name != self.vector_axis or self.first_lane:
            return scalar
        counting = f"<{', '.join(f'i64 {k}' for k in range(self.lanes))}>"
        return self.combine("add", scalar, Value(I64, self.lanes, (), {(): counting}))

    @contextmanager
    def unrolling(self, axes: tuple[Axis, ...]) -> Iterator[None]:
        """Within, every value of the constant `axes` is a copy."""
        for axis in axes:
            assert isinstance(axis.size, int)
            self.copies[axis.name] = axis.size
        yield
        for axis in axes:
            del self.copies[axis.name]

    def unrolled(self, expr: Reduce) -> Value:
        """A reduction over constant axes, one instruction after the other."""
        with self.unrolling(expr.axes):
            parts = self.contribution(expr.op, expr.body)
            inner = tuple(axis.name for axis in expr.axes)
            axes = tuple(axis for axis in self.joined(*parts) if axis not in inner)
            lanes = max(part.lanes for part in parts)
            refs = {}
            for at in self.coordinates(axes):
                total = ""
                for more in self.coordinates(inner):
                    total = self.accumulated(expr.op, total, parts, {**at, **more}, lanes)
                refs[tuple(at.values())] = total
            return Value(parts[0].dtype, lanes, axes, refs)

    def contribution(self, op: str, expr: Expr | Reduce) -> tuple[Value, ...]:
        """What an accumulation adds: one value, or two whose product is contracted with the addition."""
        if op == "add" and isinstance(expr, Call) and expr.op == "mul":
            *first, last = map(self.value, expr.args)
            return self.combine("mul", *first) if len(first) > 1 else first[0], last
        return (self.value(expr),)

    def accumulated(self, op: str, total: str, parts: tuple[Value, ...], at: dict[str, int], lanes: int) -> str:
        """`total` combined with one copy of a contribution; nothing yet when `total` is empty."""
        dtype = parts[0].dtype
        refs = [self.wide(part, at, lanes) for part in parts]
        if len(refs) == 1:
            return self.instruction(op, dtype, dtype, lanes, [total, *refs]) if total else refs[0]
        if not total:
            return self.instruction("mul", dtype, dtype, lanes, refs)
        return self.instruction("muladd", dtype, dtype, lanes, [*refs, total])

    # ---- memory

    def address(self, array: str, index: tuple[Expr, ...]) -> tuple[bool, Value]:
        """Whether the access is contiguous along the lanes, and the addresses (vectors of them for a gather)."""
        neighbours = bool(self.vector_axis) and contiguous(index, self.vector_axis, _Vectors(self.registers))
        outer, self.first_lane = self.first_lane, self.first_lane or neighbours
        pointers = self.pointers(array, index)
        self.first_lane = outer
        return neighbours and not outer, pointers

    def pointers(self, array: str, index: tuple[Expr, ...]) -> Value:
        """The addresses of elements; each part of the offset is added at the depth of loops where it changes."""
        self.used_arrays[array] = None
        shape = self.arrays[array].shape
        terms: dict[int, list[Expr]] = {}
        here = len(self.levels) - 1
        for k, part in enumerate(index):
            step = size_product(shape[k + 1 :])
            term = (
                part
                if step == 1
                else Call("mul", (part, Const(step, I64) if isinstance(step, int) else SizeValue(step)))
            )
            level = self.level_of(term)
            terms.setdefault(here if level is None else level, []).append(term)
        pointer = Value("ptr", 1, (), {(): f"%a.{array}"})
        passed: tuple[Expr, ...] = ()
        for level in sorted(terms):
            offset = terms[level][0] if len(terms[level]) == 1 else Call("add", tuple(terms[level]))
            if offset == Const(0, I64):
                continue
            passed = (*passed, offset)
            key = (array, passed, self.first_lane)
            if self.level_of(offset) is None:
                pointer = self.moved(array, pointer, offset)
                continue
            if key not in self.known[level]:
                with self.at_level(level):
                    self.known[level][key] = self.moved(array, pointer, offset)
            pointer = self.known[level][key]
        return pointer

    def moved(self, array: str, pointer: Value, offset: Expr) -> Value:
        """`pointer` moved by `offset` elements."""
        value = self.value(offset)
        axes, lanes = self.joined(pointer, value), max(pointer.lanes, value.lanes)
        element, refs = MEMORY[self.arrays[array].dtype], {}
        for at in self.coordinates(axes):
            kind, counter = vector("ptr", pointer.lanes), vector(I64, value.lanes)
            text = f"getelementptr inbounds {element}, {kind} {pointer.ref(at)}, {counter} {value.ref(at)}"
            refs[tuple(at.values())] = self.emit(text)
        return Value("ptr", lanes, axes, refs)

    def inside(self, array: str, index: tuple[Expr, ...]) -> Value | None:
        """Which lanes are within the array; those that are not, but are needed, set the status.  Loads that share
        their indices are checked once.
        """
        around = tuple(tuple(x.refs.items()) for x in (self.tail, self.selected) if x is not None)
        key = ("inside", index, self.arrays[array].shape, around)
        if self.deepest(index, 0) is None:
            return self.checked(array, index)
        if key not in self.known[-1]:
            truth = self.checked(array, index)
            if truth is None:
                return None
            self.known[-1][key] = truth
        return self.known[-1][key]

    def checked(self, array: str, index: tuple[Expr, ...]) -> Value | None:
        """The same, computed here."""
        truth: Value | None = None
        for part, size in zip(index, self.arrays[array].shape, strict=True):
            x = self.value(part)
            limit = Value(I64, 1, (), {(): self.size(size)})
            fits = self.combine("and", self.combine("ge", x, _zero()), self.combine("lt", x, limit))
            truth = fits if truth is None else self.combine("and", truth, fits)
        if truth is None:
            return None
        bad = self.combine("not", truth)
        for needed in (self.tail, self.selected):
            bad = bad if needed is None else self.combine("and", bad, needed)
        for ref in bad.refs.values():
            self.report(ref, bad.lanes)
        if truth.lanes > 1:
            for needed in (self.tail, self.selected):
                truth = truth if needed is None else self.combine("and", truth, needed)
        return truth

    def report(self, bad: str, lanes: int) -> None:
        """Notes that `bad` held in some lane."""
        if not self.status:
            with self.before():
                self.status = self.allocate("i1", "false")
        if lanes > 1:
            bad = self.emit(f"call i1 @llvm.vector.reduce.or.v{lanes}i1(<{lanes} x i1> {bad})")
        old = self.emit(f"load i1, ptr {self.status}")
        self.do(f"store i1 {self.emit(f'or i1 {old}, {bad}')}, ptr {self.status}")

    def load(self, expr: Load) -> Value:
        if expr.array in self.registers:
            return self.register(expr)
        inside = self.inside(expr.array, expr.index) if expr.checked else None
        neighbours, pointers = self.address(expr.array, expr.index)
        return self.read(self.arrays[expr.array].dtype, neighbours, pointers, inside)

    def register(self, expr: Load) -> Value:
        value, own = self.registers[expr.array], self.register_axes[expr.array]
        chosen = [self.value(part) for part in expr.index]
        rest = value._replace(axes=tuple(axis for axis in value.axes if axis not in own))
        axes = self.joined(*chosen, rest)
        last = dict(zip(value.axes, map(max, zip(*value.refs, strict=True)), strict=True))
        refs = {}
        for at in self.coordinates(axes):
            place = {**at, **{axis: int(part.ref(at)) for axis, part in zip(own, chosen, strict=True)}}
            for axis in last.keys() & set(own):  # what is not there is asked for only where a condition rejects it
                place[axis] = min(max(place[axis], 0), last[axis])
            refs[tuple(at.values())] = value.ref(place)
        return Value(value.dtype, value.lanes, axes, refs)

    def read(self, dtype: str, neighbours: bool, pointers: Value, inside: Value | None) -> Value:
        """The elements at `pointers`; lanes that are not inside, or beyond the loop, read as zero."""
        lanes = self.lanes if neighbours else pointers.lanes
        mask = self.tail if inside is None and lanes > 1 else inside
        axes = pointers.axes if mask is None else self.joined(pointers, mask)
        refs = {}
        for at in self.coordinates(axes):
            kept = None if mask is None else self.wide(mask, at, lanes)
            refs[tuple(at.values())] = self._read(dtype, lanes, neighbours, pointers.ref(at), kept)
        return Value(dtype, lanes, axes, refs)

    def _read(self, dtype: str, lanes: int, neighbours: bool, pointer: str, mask: str | None) -> str:
        scalar, size = MEMORY[dtype], BYTES[dtype]
        type_ = vector(scalar, lanes)
        if lanes == 1 and mask is not None:  # a place of our own is read instead of what is out of range
            with self.before():
                empty = self.allocate("i64", "0")
            pointer = self.emit(f"select i1 {mask}, ptr {pointer}, ptr {empty}")
        if lanes == 1 or (neighbours and mask is None):
            ref = self.emit(f"load {type_}, ptr {pointer}, align {size}")
        else:
            kind, kept = ("load", "ptr") if neighbours else ("gather", f"<{lanes} x ptr>")
            name = f"@llvm.masked.{kind}.v{lanes}{suffix_of(scalar)}.{'p0' if neighbours else f'v{lanes}p0'}"
            chosen = mask if mask is not None else "splat (i1 true)"
            ref = self.emit(
                f"call {type_} {name}({kept} {pointer}, i32 {size}, <{lanes} x i1> {chosen}, {type_} zeroinitializer)"
            )
        return ref if dtype != "bool" else self.emit(f"icmp ne {type_} {ref}, {constant_zero(lanes)}")

    def write(self, dtype: str, neighbours: bool, lanes: int, pointer: str, ref: str, mask: str | None) -> None:
        """Stores one copy."""
        scalar, size = MEMORY[dtype], BYTES[dtype]
        type_ = vector(scalar, lanes)
        if dtype == "bool":
            ref = self.emit(f"zext {vector(SCALAR[dtype], lanes)} {ref} to {type_}")
        if lanes == 1 and mask is not None:
            with self.before():
                unused = self.allocate("i64", "0")
            pointer = self.emit(f"select i1 {mask}, ptr {pointer}, ptr {unused}")
        if lanes == 1 or (neighbours and mask is None):
            self.do(f"store {type_} {ref}, ptr {pointer}, align {size}")
            return
        kind, kept = ("store", "ptr") if neighbours else ("scatter", f"<{lanes} x ptr>")
        name = f"@llvm.masked.{kind}.v{lanes}{suffix_of(scalar)}.{'p0' if neighbours else f'v{lanes}p0'}"
        chosen = mask if mask is not None else "splat (i1 true)"
        self.do(f"call void {name}({type_} {ref}, {kept} {pointer}, i32 {size}, <{lanes} x i1> {chosen})")


class _Vectors(Container[str]):
    """The names of the registers that hold vectors."""

    def __init__(self, registers: Mapping[str, Value]) -> None:
        self.registers = registers

    def __contains__(self, name: object) -> bool:
        value = self.registers.get(name) if isinstance(name, str) else None
        return value is not None and value.lanes > 1


def suffix_of(scalar: str) -> str:
    """The suffix of an IR scalar type in an intrinsic's name."""
    return {"double": "f64", "float": "f32"}.get(scalar, scalar)


def constant_zero(lanes: int) -> str:
    """0 as an i8 or a vector of them."""
    return "0" if lanes == 1 else "zeroinitializer"


def _zero() -> Value:
    return Value(I64, 1, (), {(): "0"})


def _checks(expr: Expr) -> bool:
    match expr:
        case Load(_, index, checked):
            return checked or any(map(_checks, index))
        case Call(_, args):
            return any(map(_checks, args))
        case _:
            return False


def _folded(op: str, args: tuple[Value, ...]) -> Value | None:
    """Index arithmetic with 0 and 1, which would be half of the text."""
    if op not in ("add", "mul") or len(args) != 2 or args[0].dtype != I64:
        return None
    for x, other in (args, args[::-1]):
        if not x.axes and x.lanes == 1 and x.refs[()] == ("0" if op == "add" else "1"):
            return other
        if op == "mul" and not x.axes and x.lanes == 1 and x.refs[()] == "0" and other.lanes == 1:
            return x
    return None
