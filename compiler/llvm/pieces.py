"""Tapes as LLVM IR text: functions of bounded size that hand one another values through memory.

    void piece.K(ptr values, ptr arrays)   computes one piece and writes the outputs among its values
    i64 kernel(ptr arrays, ptr sizes, ptr callback)   reads the inputs and runs the pieces

The text is written line by line without objects, and its values have numbers instead of names: LLVM reads that in two
thirds of the time.  What a piece reads of others never changes while it runs, and what it writes nobody reads in it;
saying so (invariant loads, volatile stores) keeps the optimising code generator from comparing each of these accesses
with each other, which took ten times as long as everything else.

Functions of the vector mathematics are called for as many values at a time as a vector register holds, where so many
are known at the same place of a piece.  They are handed over one by one and come back through memory: LLVM's quick
code generator knows no vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..outline import ENTRY
from ..scalars import Extern, VectorMath
from ..tape import NONE, Opcode, Pieces, Tape, batches
from .builder import constant, template
from .vecmath import definitions

PIECE = "piece."
MATHEMATICS = "mathematics."


class Form:
    """The lines of one opcode; operands stand where ``\\0``, ``\\1``, ``\\2`` do."""

    def __init__(self, op: Opcode) -> None:
        self.result = op.result
        form = template(op.name, op.own, self.result, 1)
        assert not isinstance(form, Extern)
        self.mathematics: str | None = None
        self.lines: tuple[tuple[str, str], ...]
        marks = ("\0", "\1", "\2")[: len(op.types)]
        if isinstance(form, VectorMath):
            self.mathematics = form.name
            arguments = ", ".join(f"double {mark}" for mark in marks)
            self.lines = (("", f"call double @{MATHEMATICS}{form.name}({arguments})"),)
            return
        names = [name for name, _ in form.lines if name]
        fields = {**form.fields, **{name: f"\3{name}\3" for name in names}}
        self.lines = tuple((name, text.format(*marks, **fields)) for name, text in form.lines)

    def write(self, lines: list[str], args: tuple[str, ...], count: int) -> int:
        """Appends the instruction, whose first line defines the value `count`; the number of the next value."""
        made: dict[str, str] = {}
        for name, text in self.lines:
            for mark, arg in zip("\0\1\2", args, strict=False):
                text = text.replace(mark, arg)
            for known, number in made.items():
                text = text.replace(f"\3{known}\3", number)
            lines.append(text)
            made[name] = f"%{count}"
            count += 1
        return count


def called(tape: Tape) -> list[tuple[str, int]]:
    """The functions of the vector mathematics that `tape` calls, and how many numbers they take."""
    found = {form.mathematics: len(op.types) for op, form in zip(tape.table, map(Form, tape.table), strict=True)}
    return sorted((name, arity) for name, arity in found.items() if name is not None)


def mathematics_text(tape: Tape, lanes: int, attributes: str) -> str:
    """The mathematics that the pieces of `tape` call: each function for one number, and for the numbers of `lanes`,
    operand by operand, with results in memory."""
    lines = []
    for name, arity in called(tape):
        one = ", ".join(f"double %x{k}" for k in range(arity))
        lines.append(f"define double @{MATHEMATICS}{name}({one}) #0 {{")
        lines += [f"  %y = call double @vm.{name}.f64.v1({one})", "  ret double %y", "}"]
        kind, numbers = f"<{lanes} x double>", range(lanes)
        many = ", ".join(f"double %x{k}.{lane}" for k in range(arity) for lane in numbers)
        lines.append(f"define void @{MATHEMATICS}{name}.several({many}, ptr %to) #0 {{")
        for k in range(arity):
            for lane in numbers:
                before = f"%v{k}.{lane - 1}" if lane else "poison"
                lines.append(f"  %v{k}.{lane} = insertelement {kind} {before}, double %x{k}.{lane}, i64 {lane}")
        vectors = ", ".join(f"{kind} %v{k}.{lanes - 1}" for k in range(arity))
        lines += [f"  %y = call {kind} @vm.{name}.f64.v{lanes}({vectors})", f"  store {kind} %y, ptr %to, align 8"]
        lines += ["  ret void", "}"]
    lines.append(f"attributes #0 = {{ nounwind {attributes} }}")
    return "\n".join([*lines, definitions((name, "f64", n) for name, _ in called(tape) for n in (1, lanes))])


def pieces_text(tape: Tape, pieces: Pieces, begin: int, end: int, lanes: int, attributes: str) -> str:
    """The functions of the pieces `begin` to `end`, and the declarations of what they call."""
    writer = _Writer(tape, pieces, lanes)
    lines: list[str] = []
    for k in range(begin, end):
        lines += writer.piece(k)
    for name, arity in called(tape):
        lines.append(f"declare double @{MATHEMATICS}{name}({', '.join(['double'] * arity)})")
        lines.append(f"declare void @{MATHEMATICS}{name}.several({', '.join(['double'] * arity * lanes)}, ptr)")
    return "\n".join([*lines, f"attributes #0 = {{ nounwind noinline {attributes} }}", "!0 = !{}", ""])


class _Writer:
    """Writes pieces; `lines` are those of one function, whose next value has the number `count`, and `known` says how
    the values that it has computed or read are written."""

    def __init__(self, tape: Tape, pieces: Pieces, lanes: int) -> None:
        self.tape, self.pieces, self.lanes = tape, pieces, lanes
        self.forms = [Form(op) for op in tape.table]
        self.together = frozenset(k for k, form in enumerate(self.forms) if form.mathematics is not None)
        self.constants = [constant(value, "f64") for value in tape.constants.tolist()]
        self.slots: list[int] = pieces.slots.tolist()
        self.outputs: dict[int, list[int]] = {}
        for k, v in enumerate(tape.outputs.tolist(), tape.inputs):
            self.outputs.setdefault(v, []).append(k)

    def piece(self, k: int) -> list[str]:
        start, stop = int(self.pieces.starts[k]), int(self.pieces.starts[k + 1])
        self.lines = [f"define void @{PIECE}{k}(ptr noalias %w, ptr noalias %a) #0 {{"]
        self.known: dict[int, str] = {}
        self.count = 1
        self.add(f"alloca [{self.lanes} x double]")
        codes, rows = self.tape.opcodes[start:stop].tolist(), self.tape.operands[start:stop].tolist()
        for group in batches(self.tape, start, stop, self.together, self.lanes):
            code = codes[group[0] - start]
            if len(group) > 1:
                self.call(code, group, [rows[number - start] for number in group])
            else:
                args = self.arguments(code, rows[group[0] - start])
                self.count = self.forms[code].write(self.lines, args, self.count)
                self.known[group[0] + self.tape.first] = f"%{self.count - 1}"
            for number in group:
                self.keep(number + self.tape.first, self.forms[code].result)
        return [*self.lines, "ret void", "}"]

    def add(self, line: str) -> str:
        """Appends a line that defines a value, and gives the value."""
        self.lines.append(line)
        self.count += 1
        return f"%{self.count - 1}"

    def arguments(self, code: int, row: Sequence[int]) -> tuple[str, ...]:
        """The operands of an instruction, loaded if no instruction of this piece has computed or read them."""
        known, tape = self.known, self.tape
        args = []
        for i, dtype in zip(row, tape.table[code].types, strict=False):
            ref = known.get(i)
            if ref is None and tape.inputs <= i < tape.first:
                ref = self.constants[i - tape.inputs]
            if ref is None:
                place = self.add(f"getelementptr i8, ptr %w, i64 {8 * self.slots[i]}")
                ref = self.add(f"load double, ptr {place}, !invariant.load !0")
                if dtype == "bool":
                    ref = self.add(f"fcmp une double {ref}, 0.0")
                known[i] = ref
            args.append(ref)
        return tuple(args)

    def call(self, code: int, group: Sequence[int], rows: Sequence[Sequence[int]]) -> None:
        """One call of the vector mathematics for several instructions; lanes that are left over repeat the first."""
        operands = [self.arguments(code, row) for row in rows]
        operands += operands[:1] * (self.lanes - len(group))
        numbers = ", ".join(f"double {number}" for lanes in zip(*operands, strict=True) for number in lanes)
        self.lines.append(f"call void @{MATHEMATICS}{self.forms[code].mathematics}.several({numbers}, ptr %1)")
        for lane, number in enumerate(group):
            place = self.add(f"getelementptr i8, ptr %1, i64 {8 * lane}")
            self.known[number + self.tape.first] = self.add(f"load double, ptr {place}")

    def keep(self, value: int, dtype: str) -> None:
        """Writes a value where other pieces and the caller look for it."""
        slot, outputs = self.slots[value], self.outputs.get(value, ())
        if slot == NONE and not outputs:
            return
        number = self.known[value] if dtype != "bool" else self.add(f"uitofp i1 {self.known[value]} to double")
        if slot != NONE:
            place = self.add(f"getelementptr i8, ptr %w, i64 {8 * slot}")
            self.lines.append(f"store volatile double {number}, ptr {place}")
        for k in outputs:
            entry = self.add(f"getelementptr i8, ptr %a, i64 {8 * k}")
            place = self.add(f"load ptr, ptr {entry}, !invariant.load !0")
            self.lines.append(f"store volatile double {number}, ptr {place}")


def entry_text(tape: Tape, pieces: Pieces) -> str:
    """The kernel's entry: its table has a pointer for each input, one for each output, and one to the values.  It
    writes the outputs that are inputs or constants."""
    count, total = len(pieces.starts) - 1, tape.inputs + len(tape.outputs)
    outputs = [(k, v) for k, v in enumerate(tape.outputs.tolist(), tape.inputs) if v < tape.first]
    numbers = ", ".join(f"i64 {k}" for k, _ in outputs)
    places = ", ".join(f"i64 {v if v < tape.inputs else tape.inputs - 1 - v}" for _, v in outputs)
    constants = ", ".join(f"double {constant(value, 'f64')}" for value in tape.constants.tolist())
    lines = [
        f"@numbers = private constant [{len(outputs)} x i64] [{numbers}]",
        f"@places = private constant [{len(outputs)} x i64] [{places}]",
        f"@constants = private constant [{len(tape.constants)} x double] [{constants}]",
        f"define i64 @{ENTRY}(ptr %arrays, ptr %sizes, ptr %callback) {{",
        "entry:",
        f"  %slot = getelementptr ptr, ptr %arrays, i64 {total}",
        "  %w = load ptr, ptr %slot",
        "  br label %read",
        *_copying("read", tape.inputs, "run", _READ),
        *(f"  call void @{PIECE}{k}(ptr %w, ptr %arrays)" for k in range(count)),
        "  br label %write",
        *_copying("write", len(outputs), "done", _WRITE),
        "  ret i64 0",
        "}",
        *(f"declare void @{PIECE}{k}(ptr, ptr)" for k in range(count)),
        "",
    ]
    return "\n".join(lines)


def _copying(name: str, count: int, after: str, body: str) -> list[str]:
    previous = "entry" if name == "read" else "run"
    return [
        f"{name}:",
        f"  %{name}.k = phi i64 [ 0, %{previous} ], [ %{name}.next, %{name}.one ]",
        f"  %{name}.more = icmp slt i64 %{name}.k, {count}",
        f"  br i1 %{name}.more, label %{name}.one, label %{after}",
        f"{name}.one:",
        body,
        f"  %{name}.next = add i64 %{name}.k, 1",
        f"  br label %{name}",
        f"{after}:",
    ]


_READ = """  %read.slot = getelementptr ptr, ptr %arrays, i64 %read.k
  %read.from = load ptr, ptr %read.slot
  %read.value = load double, ptr %read.from
  %read.to = getelementptr double, ptr %w, i64 %read.k
  store double %read.value, ptr %read.to"""
_WRITE = """  %write.which = getelementptr i64, ptr @numbers, i64 %write.k
  %write.number = load i64, ptr %write.which
  %write.slot = getelementptr ptr, ptr %arrays, i64 %write.number
  %write.to = load ptr, ptr %write.slot
  %write.at = getelementptr i64, ptr @places, i64 %write.k
  %write.place = load i64, ptr %write.at
  %write.isconstant = icmp slt i64 %write.place, 0
  %write.index = xor i64 %write.place, -1
  %write.constant = getelementptr double, ptr @constants, i64 %write.index
  %write.computed = getelementptr double, ptr %w, i64 %write.place
  %write.from = select i1 %write.isconstant, ptr %write.constant, ptr %write.computed
  %write.value = load double, ptr %write.from
  store double %write.value, ptr %write.to"""

__all__ = ["called", "entry_text", "mathematics_text", "pieces_text"]
