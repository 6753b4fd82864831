"""The entry of a function of floats: what `calling` does for every function, written out for one signature.

It takes the exact number of Python floats and gives floats, or tuples of them; for anything else it goes on to the
general entry.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..callables import Offsets
from .calling import Plan, Record
from .control import Writer

CALL = "symgrad.scalars"
FUNCTIONS = ("PyFloat_FromDouble", "PyTuple_New", "Py_DecRef")
Slots = int | tuple["Slots", ...]
"""A place in the kernel's table, or a tuple of such."""

_DECLARATIONS = """@PyFloat_Type = external global i8
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyTuple_New(i64)
declare void @Py_DecRef(ptr)
"""


def scalars_text(o: Offsets, items: int, length: int, takes: Sequence[int], gives: Slots) -> str:
    """The IR of an entry for a kernel whose table has `length` places, all of doubles: `takes` are those of the
    arguments, `gives` those of the results.  The items of a tuple begin `items` bytes behind it."""
    f = Writer(f'ptr @"{CALL}"(ptr %self, ptr %arguments, i64 %flagged, ptr %names)', "general")
    values = f.at_entry(f"alloca double, i64 {max(1, length)}, align 16")
    table = f.at_entry(f"alloca ptr, i64 {length + 1}, align 16")
    record = f.field("ptr", "%self", o.record)
    count = f.emit("and i64 %flagged, 9223372036854775807")
    f.require(f.emit(f"and i1 {f.same('ptr', '%names', 'null')}, {f.same('i64', count, len(takes))}"))
    objects = [f.load("ptr", "%arguments", k) for k in range(len(takes))]
    for x in objects:
        f.require(f.same("ptr", f.field("ptr", x, o.type), "@PyFloat_Type"))
    for x, place in zip(objects, takes, strict=True):
        f.store("double", f.field("double", x, o.contents), values, place)
    for k in range(length):
        f.store("ptr", f.place(values, k), table, k)
    f.store("ptr", "null", table, length)
    plan = f.load("ptr", record, Record.FIRST)
    kernel, sizes = f.load("ptr", plan, Plan.KERNEL), f.load("ptr", plan, Plan.SIZES)
    status = f.emit(f"call i64 {kernel}(ptr {table}, ptr {sizes}, ptr null)")
    f.require(f.same("i64", status, 0))
    _give(f, values, items, gives)
    f.label("general")
    general = f.load("ptr", record, Record.GENERAL)
    answer = f.emit(f"tail call ptr {general}(ptr %self, ptr %arguments, i64 %flagged, ptr %names)")
    f.do(f"ret ptr {answer}")
    return _DECLARATIONS + f.text()


def _give(f: Writer, values: str, items: int, gives: Slots) -> None:
    """Returns the results as floats and tuples.

    A tuple stands in its parent as soon as it is made: what fails later has the outermost one to let go."""
    root: str | None = None
    pending: list[tuple[Slots, str | None, int]] = [(gives, None, 0)]
    while pending:
        slots, parent, place = pending.pop()
        if isinstance(slots, int):
            made = f.emit(f"call ptr @PyFloat_FromDouble(double {f.load('double', values, slots)})")
        else:
            made = f.emit(f"call ptr @PyTuple_New(i64 {len(slots)})")
            pending += [(branch, made, k) for k, branch in reversed(list(enumerate(slots)))]
        if parent is None:
            root, f.refuse = made, "nothing"
        else:
            f.refuse = "drop"
        f.require(f.differs("ptr", made, "null"))
        if parent is not None:
            f.store("ptr", made, f.place(parent, items, "i8"), place)
    f.do(f"ret ptr {root}")
    if not isinstance(gives, int):
        f.label("drop")
        f.do(f"call void @Py_DecRef(ptr {root})")
        f.do("br label %nothing")
    f.label("nothing")
    f.do("ret ptr null")


__all__ = ["CALL", "FUNCTIONS", "Slots", "scalars_text"]
