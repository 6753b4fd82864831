"""A small language for straight-line numerical code: Python operators that write LLVM IR text.

A body written once over `Value`s gives the code of every lane count and element type: the operations are the
same ones, so a scalar result and a lane of a vector have the same bits.  Nothing is contracted or reassociated:
`x * y + z` rounds twice, `fma(x, y, z)` once.

    b = Builder("f64", 8)
    x = b.parameter()
    y = b.fma(x, x, 1.0)             # %2 = call <8 x double> @llvm.fma.v8f64(...)

The only control flow is `Builder.rare`, a branch on "any lane is bad" to a cold block, and `Builder.repeated`, a loop
until every lane is done.  What a function needs
beside itself (slow paths, other functions, tables) is collected in `Builder.needs`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache

from ..records import record

FLOAT = {"f64": "double", "f32": "float"}
INTEGER = {"f64": "i64", "f32": "i32"}
SUFFIX = {"double": "f64", "float": "f32"}
MANTISSA = {"f64": 52, "f32": 23}
ROUNDER = {"f64": 6755399441055744.0, "f32": 12582912.0}
"""1.5 * 2**mantissa: adding it rounds a small number to an integer, which then stands in the low bits."""

UNLIKELY = '!prof !{!"branch_weights", i32 1, i32 2000}'

Number = int | float


@record(frozen=True, slots=True)
class Need:
    """A definition that the code calls: a function at one lane count, or a scalar slow path looped over lanes."""

    name: str
    dtype: str
    lanes: int
    per_lane: bool = False


def literal(number: Number, scalar: str, lanes: int) -> str:
    """The constant `number` of element type `scalar`, in all lanes, as an operand of an instruction."""
    return _literal(number, math.copysign(1.0, number), scalar, lanes)


@lru_cache(maxsize=4096)
def _literal(number: Number, sign: float, scalar: str, lanes: int) -> str:
    """`literal`; the sign tells 0.0 from -0.0, which are equal."""
    if scalar == "i1":
        text = "true" if number else "false"
    elif scalar[0] == "i":
        text = str(int(number))
    else:
        rounded = struct.unpack("<f", struct.pack("<f", number))[0] if scalar == "float" else float(number)
        text = f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"
    return text if lanes == 1 else f"splat ({scalar} {text})"


class Value:
    """One SSA value: a float, integer or truth value in every lane.  Python numbers beside it become constants."""

    __slots__ = ("builder", "scalar", "text")

    def __init__(self, builder: Builder, scalar: str, text: str) -> None:
        self.builder, self.scalar, self.text = builder, scalar, text

    def _binary(self, floating: str, integral: str, other: Value | Number, swap: bool = False) -> Value:
        b = self.builder
        right = b.operand(other, self.scalar)
        first, second = (right, self.text) if swap else (self.text, right)
        opcode = integral if self.scalar[0] == "i" else floating
        return b.emit(self.scalar, f"{opcode} {b.type(self.scalar)} {first}, {second}")

    def _compare(self, floating: str, integral: str, other: Value | Number) -> Value:
        b = self.builder
        opcode = f"icmp {integral}" if self.scalar[0] == "i" else f"fcmp {floating}"
        return b.emit("i1", f"{opcode} {b.type(self.scalar)} {self.text}, {b.operand(other, self.scalar)}")

    def __add__(self, other: Value | Number) -> Value:
        return self._binary("fadd", "add", other)

    def __radd__(self, other: Number) -> Value:
        return self._binary("fadd", "add", other, swap=True)

    def __sub__(self, other: Value | Number) -> Value:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Number) -> Value:
        return self._binary("fsub", "sub", other, swap=True)

    def __mul__(self, other: Value | Number) -> Value:
        return self._binary("fmul", "mul", other)

    def __rmul__(self, other: Number) -> Value:
        return self._binary("fmul", "mul", other, swap=True)

    def __truediv__(self, other: Value | Number) -> Value:
        return self._binary("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Number) -> Value:
        return self._binary("fdiv", "sdiv", other, swap=True)

    def __neg__(self) -> Value:
        if self.scalar[0] == "i":
            return self._binary("", "sub", 0, swap=True)
        return self.builder.emit(self.scalar, f"fneg {self.builder.type(self.scalar)} {self.text}")

    def __lt__(self, other: Value | Number) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Value | Number) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Value | Number) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Value | Number) -> Value:
        return self._compare("oge", "sge", other)

    def equals(self, other: Value | Number) -> Value:
        """Ordered equality (`==` stays Python's identity, so that values can be used as keys)."""
        return self._compare("oeq", "eq", other)

    def differs(self, other: Value | Number) -> Value:
        """Unordered inequality: true for NaN."""
        return self._compare("une", "ne", other)

    def __and__(self, other: Value | Number) -> Value:
        return self._binary("", "and", other)

    def __or__(self, other: Value | Number) -> Value:
        return self._binary("", "or", other)

    def __xor__(self, other: Value | Number) -> Value:
        return self._binary("", "xor", other)

    def __invert__(self) -> Value:
        return self._binary("", "xor", 1 if self.scalar == "i1" else -1)

    def __lshift__(self, count: Value | int) -> Value:
        return self._binary("", "shl", count)

    def __rshift__(self, count: Value | int) -> Value:
        """Logical shift: zeros come in from the left."""
        return self._binary("", "lshr", count)

    def convert(self, opcode: str, scalar: str) -> Value:
        """A conversion instruction such as `fpext`, `sitofp`, `bitcast`."""
        b = self.builder
        return b.emit(scalar, f"{opcode} {b.type(self.scalar)} {self.text} to {b.type(scalar)}")

    def bits(self) -> Value:
        """The representation of a float, as an integer of its width."""
        return self.convert("bitcast", "i64" if self.scalar == "double" else "i32")

    def as_float(self) -> Value:
        """The float that these bits represent."""
        return self.convert("bitcast", "double" if self.scalar == "i64" else "float")


class Builder:
    """Collects the instructions of one function of `lanes` lanes of `dtype`."""

    def __init__(self, dtype: str, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        self.float, self.integer = FLOAT[dtype], INTEGER[dtype]
        self.mantissa, self.rounder = MANTISSA[dtype], ROUNDER[dtype]
        self.lines: list[str] = []
        self.needs: dict[Need, None] = {}
        self.parameters: list[Value] = []

    def widened(self) -> Builder:
        """A builder of f64 values, of the same lanes, that writes into the same function."""
        wide = Builder("f64", self.lanes)
        wide.lines, wide.needs = self.lines, self.needs
        return wide

    def type(self, scalar: str) -> str:
        """The IR type of a value whose element type is `scalar`."""
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    def suffix(self, scalar: str) -> str:
        """How an intrinsic's name spells that type: `f64`, `v8f64`."""
        name = SUFFIX.get(scalar, scalar)
        return name if self.lanes == 1 else f"v{self.lanes}{name}"

    def parameter(self, scalar: str | None = None) -> Value:
        """A further parameter of the function."""
        value = Value(self, scalar or self.float, f"%x{len(self.parameters)}")
        self.parameters.append(value)
        return value

    def emit(self, scalar: str, instruction: str) -> Value:
        """Appends one instruction and gives its result, of element type `scalar`."""
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {instruction}")
        return Value(self, scalar, name)

    def operand(self, value: Value | Number, scalar: str) -> str:
        """The text of an operand that has element type `scalar`."""
        if isinstance(value, Value):
            assert value.scalar == scalar, (value.scalar, scalar)
            return value.text
        return literal(value, scalar, self.lanes)

    def constant(self, number: Number, scalar: str | None = None) -> Value:
        """`number` in all lanes."""
        scalar = scalar or self.float
        return Value(self, scalar, literal(number, scalar, self.lanes))

    def intrinsic(self, name: str, *args: Value | Number) -> Value:
        """A call of `llvm.NAME` whose result has the type of its arguments."""
        scalar = next(a.scalar for a in args if isinstance(a, Value))
        kind = self.type(scalar)
        operands = ", ".join(f"{kind} {self.operand(a, scalar)}" for a in args)
        return self.emit(scalar, f"call {kind} @llvm.{name}.{self.suffix(scalar)}({operands})")

    def fma(self, x: Value | Number, y: Value | Number, z: Value | Number) -> Value:
        """x * y + z rounded once."""
        return self.intrinsic("fma", x, y, z)

    def sqrt(self, x: Value) -> Value:
        """The correctly rounded square root."""
        return self.intrinsic("sqrt", x)

    def abs(self, x: Value) -> Value:
        """|x|, also of NaN and -0.0."""
        return self.intrinsic("fabs", x)

    def truncated(self, x: Value) -> Value:
        """x without its fraction."""
        return self.intrinsic("trunc", x)

    def copysign(self, magnitude: Value | Number, sign: Value) -> Value:
        """|magnitude| with the sign bit of `sign`."""
        return self.intrinsic("copysign", magnitude, sign)

    def select(self, condition: Value, true: Value | Number, false: Value | Number) -> Value:
        """Lane by lane `true if condition else false`."""
        scalar = next((v.scalar for v in (true, false) if isinstance(v, Value)), self.float)
        kind = self.type(scalar)
        operands = f"{kind} {self.operand(true, scalar)}, {kind} {self.operand(false, scalar)}"
        return self.emit(scalar, f"select {self.type('i1')} {condition.text}, {operands}")

    def unordered(self, x: Value, y: Value) -> Value:
        """Whether x or y is NaN."""
        return self.emit("i1", f"fcmp uno {self.type(x.scalar)} {x.text}, {y.text}")

    def at_most(self, x: Value, bound: Value | Number) -> Value:
        """min(x, bound); NaN stays NaN."""
        return self.select(x > bound, bound, x)

    def at_least(self, x: Value, bound: Value | Number) -> Value:
        """max(x, bound); NaN stays NaN."""
        return self.select(x < bound, bound, x)

    def polynomial(self, x: Value, coefficients: Sequence[float], square: Value | None = None) -> Value:
        """sum c[k] x**k: Horner's rule, or its even and odd halves interleaved where `square` = x*x is given."""
        if square is None or len(coefficients) < 4:
            return self._horner(x, coefficients)
        return self.fma(self._horner(square, coefficients[1::2]), x, self._horner(square, coefficients[::2]))

    def compensated_polynomial(self, x: Value, coefficients: Sequence[float]) -> tuple[Value, Value]:
        """The polynomial as a sum of two floats (Graillat, Langlois and Louvet 2009): ten operations a term."""
        high, low = self.constant(coefficients[-1]), self.constant(0.0)
        for c in reversed(coefficients[:-1]):
            product, error = self.two_product(high, x)
            high, lost = self.two_sum(c, product)
            low = self.fma(low, x, error + lost)
        return high, low

    def _horner(self, x: Value, coefficients: Sequence[float]) -> Value:
        result = self.constant(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            result = self.fma(result, x, c)
        return result

    def two_sum(self, a: Value | Number, b: Value) -> tuple[Value, Value]:
        """a + b exactly, as the rounded sum and its error (Knuth)."""
        high = b + a
        back = high - a
        return high, (b - back) + (a - (high - back))

    def fast_two_sum(self, a: Value | Number, b: Value) -> tuple[Value, Value]:
        """a + b exactly, where |a| >= |b| or a is 0 (Dekker)."""
        high = b + a
        return high, b - (high - a)

    def two_product(self, a: Value, b: Value | Number) -> tuple[Value, Value]:
        """a * b exactly, where nothing underflows."""
        high = a * b
        return high, self.fma(a, b, -high)

    def call(self, name: str, *args: Value) -> Value:
        """A call of another function of this library at the same lanes and the type of `args`."""
        dtype = SUFFIX[args[0].scalar]
        self.needs[Need(name, dtype, self.lanes)] = None
        return self._call(f"@vm.{name}.{dtype}.v{self.lanes}", args)

    def _call(self, callee: str, args: Sequence[Value]) -> Value:
        operands = ", ".join(f"{self.type(a.scalar)} {a.text}" for a in args)
        return self.emit(args[0].scalar, f"call {self.type(args[0].scalar)} {callee}({operands})")

    def rare(self, bad: Value, usual: Value, slow: Callable[[], Value]) -> Value:
        """`usual`, with the bad lanes replaced by what `slow` emits, which runs only if there is any.

        What `slow` emits may not branch itself.
        """
        number, some = len(self.lines), bad.text
        before = next((line[:-1] for line in reversed(self.lines) if line.endswith(":")), "entry")
        if self.lanes > 1:
            self.lines.append(f"  %mask{number} = bitcast {self.type('i1')} {bad.text} to i{self.lanes}")
            self.lines.append(f"  %some{number} = icmp ne i{self.lanes} %mask{number}, 0")
            some = f"%some{number}"
        self.lines.append(f"  br i1 {some}, label %cold{number}, label %after{number}, {UNLIKELY}")
        self.lines.append(f"cold{number}:")
        redone = self.select(bad, slow(), usual)
        self.lines += [f"  br label %after{number}", f"after{number}:"]
        incoming = f"[ {usual.text}, %{before} ], [ {redone.text}, %cold{number} ]"
        return self.emit(usual.scalar, f"phi {self.type(usual.scalar)} {incoming}")

    def repeated(
        self,
        state: Sequence[Value],
        going: Callable[[list[Value]], Value],
        step: Callable[[list[Value]], list[Value]],
    ) -> list[Value]:
        """What `state` is after as many steps as `going` asks for; lanes that are done stay as they are."""
        before = next((line[:-1] for line in reversed(self.lines) if line.endswith(":")), "entry")
        number = len(self.lines)
        self.lines += [f"  br label %loop{number}", f"loop{number}:"]
        heads = [self.emit(value.scalar, "") for value in state]
        goes = going(heads)
        some = goes.text
        if self.lanes > 1:
            mask = f"%mask{len(self.lines)}"
            self.lines.append(f"  {mask} = bitcast {self.type('i1')} {some} to i{self.lanes}")
            some = f"%some{len(self.lines)}"
            self.lines.append(f"  {some} = icmp ne i{self.lanes} {mask}, 0")
        self.lines += [f"  br i1 {some}, label %step{number}, label %over{number}", f"step{number}:"]
        after = [self.select(goes, new, old) for new, old in zip(step(heads), heads, strict=True)]
        last = next(line[:-1] for line in reversed(self.lines) if line.endswith(":"))
        for k, (head, start, end) in enumerate(zip(heads, state, after, strict=True)):
            incoming = f"[ {start.text}, %{before} ], [ {end.text}, %{last} ]"
            self.lines[number + 2 + k] = f"  {head.text} = phi {self.type(head.scalar)} {incoming}"
        self.lines += [f"  br label %loop{number}", f"over{number}:"]
        return heads

    def redo_lanes(self, bad: Value, usual: Value, name: str, *args: Value) -> Value:
        """`usual`, with the bad lanes redone by the scalar function `name` of the same lanes of `args`."""
        dtype = SUFFIX[args[0].scalar]
        if self.lanes == 1:
            return self.rare(bad, usual, lambda: self.call(name, *args))
        self.needs[Need(name, dtype, self.lanes, per_lane=True)] = None
        return self.rare(bad, usual, lambda: self._call(f"@vm.{name}.{dtype}.v{self.lanes}.lanes", (usual, *args, bad)))
