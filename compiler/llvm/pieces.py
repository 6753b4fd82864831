"""Tapes as LLVM IR text: functions of bounded size that hand one another values through memory.

    void piece.K(ptr values)            computes one piece
    i64 kernel(ptr arrays, ptr sizes, ptr callback)   reads the inputs, runs the pieces, writes the outputs

The text is written line by line without objects, and its values have numbers instead of names: LLVM reads that in two
thirds of the time.  What a piece reads of others never changes while it runs, and what it writes nobody reads in it;
saying so (invariant loads, volatile stores) keeps the optimising code generator from comparing each of these accesses
with each other, which took ten times as long as everything else.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..outline import ENTRY
from ..scalars import Extern, VectorMath
from ..tape import NONE, Opcode, Pieces, Tape
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


def mathematics_text(tape: Tape) -> str:
    """The mathematics that the pieces of `tape` call."""
    lines = []
    for name, arity in called(tape):
        parameters = ", ".join(f"double %x{k}" for k in range(arity))
        lines.append(f"define double @{MATHEMATICS}{name}({parameters}) {{")
        lines += [f"  %y = call double @vm.{name}.f64.v1({parameters})", "  ret double %y", "}"]
    return "\n".join([*lines, definitions((name, "f64", 1) for name, _ in called(tape))])


def pieces_text(tape: Tape, pieces: Pieces, begin: int, end: int) -> str:
    """The functions of the pieces `begin` to `end`, and the declarations of what they call."""
    writer = _Writer(tape, pieces)
    lines: list[str] = []
    for k in range(begin, end):
        lines += writer.piece(k)
    declared = [f"declare double @{MATHEMATICS}{name}({', '.join(['double'] * n)})" for name, n in called(tape)]
    return "\n".join([*lines, *declared, "attributes #0 = { nounwind noinline }", "!0 = !{}", ""])


class _Writer:
    def __init__(self, tape: Tape, pieces: Pieces) -> None:
        self.tape, self.pieces = tape, pieces
        self.forms = [Form(op) for op in tape.table]
        self.constants = [constant(value, "f64") for value in tape.constants.tolist()]
        self.slots: list[int] = pieces.slots.tolist()

    def piece(self, k: int) -> list[str]:
        tape, slots, forms, first, inputs = self.tape, self.slots, self.forms, self.tape.first, self.tape.inputs
        start, stop = int(self.pieces.starts[k]), int(self.pieces.starts[k + 1])
        lines = [f"define void @{PIECE}{k}(ptr noalias %w) #0 {{"]
        known: dict[int, str] = {}
        count = 1
        rows = zip(tape.opcodes[start:stop].tolist(), tape.operands[start:stop].tolist(), strict=True)
        for number, (code, row) in enumerate(rows, first + start):
            args = []
            types = tape.table[code].types
            for i, dtype in zip(row, types, strict=False):
                ref = known.get(i)
                if ref is None and inputs <= i < first:
                    ref = self.constants[i - inputs]
                if ref is None:
                    lines.append(f"getelementptr i8, ptr %w, i64 {8 * slots[i]}")
                    lines.append(f"load double, ptr %{count}, !invariant.load !0")
                    count += 2
                    if dtype == "bool":
                        lines.append(f"fcmp une double %{count - 1}, 0.0")
                        count += 1
                    known[i] = ref = f"%{count - 1}"
                args.append(ref)
            count = forms[code].write(lines, tuple(args), count)
            known[number] = f"%{count - 1}"
            if slots[number] != NONE:
                stored = f"%{count - 1}"
                if forms[code].result == "bool":
                    lines.append(f"uitofp i1 {stored} to double")
                    stored = f"%{count}"
                    count += 1
                lines.append(f"getelementptr i8, ptr %w, i64 {8 * slots[number]}")
                lines.append(f"store volatile double {stored}, ptr %{count}")
                count += 1
        return [*lines, "ret void", "}"]


def entry_text(tape: Tape, pieces: Pieces) -> str:
    """The kernel's entry: its table has a pointer for each input, one for each output, and one to the values."""
    count, outputs = len(pieces.starts) - 1, tape.outputs.tolist()
    total = tape.inputs + len(outputs)
    places = ", ".join(f"i64 {place}" for place in _sources(tape, pieces))
    constants = ", ".join(f"double {constant(value, 'f64')}" for value in tape.constants.tolist())
    lines = [
        f"@places = private constant [{len(outputs)} x i64] [{places}]",
        f"@constants = private constant [{len(tape.constants)} x double] [{constants}]",
        f"define i64 @{ENTRY}(ptr %arrays, ptr %sizes, ptr %callback) {{",
        "entry:",
        f"  %slot = getelementptr ptr, ptr %arrays, i64 {total}",
        "  %w = load ptr, ptr %slot",
        "  br label %read",
        *_copying("read", tape.inputs, "run", _READ),
        *(f"  call void @{PIECE}{k}(ptr %w)" for k in range(count)),
        "  br label %write",
        *_copying("write", len(outputs), "done", _WRITE.format(first=tape.inputs)),
        "  ret i64 0",
        "}",
        *(f"declare void @{PIECE}{k}(ptr)" for k in range(count)),
        "",
    ]
    return "\n".join(lines)


def _sources(tape: Tape, pieces: Pieces) -> Iterator[int]:
    """Where each output stands: its slot, or less than 0 a constant."""
    for v in tape.outputs.tolist():
        constant_ = tape.inputs <= v < tape.first
        yield -1 - (v - tape.inputs) if constant_ else int(pieces.slots[v])


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
_WRITE = """  %write.number = add i64 %write.k, {first}
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
