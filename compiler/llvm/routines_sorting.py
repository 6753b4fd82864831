"""Sorting the last axis, stable, NaN last; places in a sorted vector by halving; positions of true elements.

Elements are sorted as 64-bit keys whose unsigned order is theirs: a few by insertion, more by counting one byte after
the other from the lowest on (Knuth, *The Art of Computer Programming*, volume 3, section 5.2.5), which takes a time in
proportion to their number and has no branch to be mispredicted; bytes that all keys share are passed over.
"""

from __future__ import annotations

from .routine_writer import RoutineWriter
from .routines_registry import routine

FEW = 40
"""Elements up to which insertion is quicker."""
TOP = 1 << 63
NAN = 0x7FF8 << 48


def _key(w: RoutineWriter, value: str, zeros_alike: bool) -> str:
    """The key of an element in memory; NaN has one that is larger than all others, and so have 0 and -0 if wanted."""
    if w.dtype == "bool":
        return w.emit(f"zext i8 {value} to i64")
    if w.dtype == "i64":
        return w.integer("xor", value, -TOP)
    wide = w.emit(f"fpext float {value} to double") if w.dtype == "f32" else value
    bits = w.emit(f"bitcast double {wide} to i64")
    bits = w.emit(f"select i1 {w.emit(f'fcmp uno double {wide}, {wide}')}, i64 {NAN}, i64 {bits}")
    if zeros_alike:
        bits = w.emit(f"select i1 {w.emit(f'fcmp oeq double {wide}, 0.0')}, i64 0, i64 {bits}")
    return w.integer("xor", bits, w.integer("or", w.integer("ashr", bits, 63), -TOP))


def _element(w: RoutineWriter, key: str) -> str:
    """The element that has a key."""
    if w.dtype == "bool":
        return w.emit(f"trunc i64 {key} to i8")
    if w.dtype == "i64":
        return w.integer("xor", key, -TOP)
    turned = w.integer("xor", w.integer("ashr", key, 63), -1)
    bits = w.integer("xor", key, w.integer("or", turned, -TOP))
    wide = w.emit(f"bitcast i64 {bits} to double")
    return w.emit(f"fptrunc double {wide} to float") if w.dtype == "f32" else wide


class _Rows:
    """Keys, and positions that are permuted with them if there are any, each with an array of the same size to spare;
    `counts` has room for 8*256 numbers."""

    def __init__(self, w: RoutineWriter, rows: list[str], spare: list[str], counts: str, n: str) -> None:
        self.w, self.rows, self.spare, self.counts, self.n = w, rows, spare, counts, n

    def sort(self) -> None:
        w = self.w
        few = w.emit(f"icmp sle i64 {self.n}, {FEW}")
        with w.when(few):
            self.insertion()
        with w.when(w.emit(f"xor i1 {few}, true")):
            self.radix()

    def insertion(self) -> None:
        w, keys = self.w, self.rows[0]
        with w.each(self.n) as i:
            held = [w.get(row, i, "i64") for row in self.rows]
            at = w.allocate("i64", i)

            def before() -> str:
                here = w.load("i64", at)
                previous = w.emit(f"call i64 @llvm.smax.i64(i64 {w.integer('sub', here, 1)}, i64 0)")
                later = w.emit(f"icmp ult i64 {held[0]}, {w.get(keys, previous, 'i64')}")
                return w.emit(f"and i1 {w.emit(f'icmp sgt i64 {here}, 0')}, {later}")

            with w.during(before):
                here = w.load("i64", at)
                previous = w.integer("sub", here, 1)
                for row in self.rows:
                    w.put(w.get(row, previous, "i64"), row, here, "i64")
                w.store("i64", previous, at)
            for value, row in zip(held, self.rows, strict=True):
                w.put(value, row, w.load("i64", at), "i64")

    def radix(self) -> None:
        w = self.w
        self.count()
        here, there = ([w.allocate("ptr", name) for name in row] for row in (self.rows, self.spare))
        with w.each("8") as byte:
            places = w.place(self.counts, w.integer("shl", byte, 8))
            source, target = ([w.load("ptr", x) for x in row] for row in (here, there))
            shared = w.get(places, self.digit(w.get(source[0], "0", "i64"), byte), "i64")
            with w.when(w.differs("i64", shared, self.n)):
                self.places_from(places)
                with w.each(self.n) as i:
                    values = [w.get(row, i, "i64") for row in source]
                    digit = self.digit(values[0], byte)
                    at = w.get(places, digit, "i64")
                    for value, row in zip(values, target, strict=True):
                        w.put(value, row, at, "i64")
                    w.put(w.integer("add", at, 1), places, digit, "i64")
                for one, other, a, b in zip(here, there, source, target, strict=True):
                    w.store("ptr", b, one)
                    w.store("ptr", a, other)
        with w.when(w.differs("ptr", w.load("ptr", here[0]), self.rows[0])):
            for place, row in zip(here, self.rows, strict=True):
                w.copied(w.load("ptr", place), row, self.n, "i64")

    def digit(self, key: str, byte: str) -> str:
        w = self.w
        return w.integer("and", w.integer("lshr", key, w.integer("shl", byte, 3)), 255)

    def count(self) -> None:
        """How often each value of each byte is there."""
        w = self.w
        w.do(f"call void @llvm.memset.p0.i64(ptr {self.counts}, i8 0, i64 {8 * 8 * 256}, i1 false)")
        with w.each(self.n) as i:
            key = w.get(self.rows[0], i, "i64")
            for byte in range(8):
                at = w.integer("add", self.digit(key, str(byte)), 256 * byte)
                w.put(w.integer("add", w.get(self.counts, at, "i64"), 1), self.counts, at, "i64")

    def places_from(self, counts: str) -> None:
        """Counts replaced by the number of keys before."""
        w = self.w
        total = w.allocate("i64", "0")
        with w.each("256") as j:
            before, count = w.load("i64", total), w.get(counts, j, "i64")
            w.put(before, counts, j, "i64")
            w.store("i64", w.integer("add", before, count), total)


@routine("sort")
def sort(w: RoutineWriter) -> None:
    *lead, last = w.types[0].shape
    n, (keys, spare, counts) = w.size(last), w.work
    with w.batch(lead, (w.inputs[0], lead, n), (w.outputs[0], lead, n)) as (source, target):
        with w.each(n) as i:
            w.put(_key(w, w.get(source, i), False), keys, i, "i64")
        _Rows(w, [keys], [spare], counts, n).sort()
        with w.each(n) as i:
            w.put(_element(w, w.get(keys, i, "i64")), target, i)


@routine("argsort")
def argsort(w: RoutineWriter) -> None:
    *lead, last = w.types[0].shape
    n, (keys, spare, more, counts) = w.size(last), w.work
    with w.each(w.times(*map(w.size, lead))) as k:
        row = w.integer("mul", k, n)
        source, positions = w.part(w.inputs[0], row), w.place(w.outputs[0], row)
        with w.each(n) as i:
            w.put(_key(w, w.get(source, i), True), keys, i, "i64")
            w.put(i, positions, i, "i64")
        _Rows(w, [keys, positions], [spare, more], counts, n).sort()


@routine("searchsorted")
def searchsorted(w: RoutineWriter) -> None:
    """By halving: the first place whose element is not before the value, or is behind it with the parameter."""
    vector, values = w.types
    (after,) = w.params
    with w.each(w.times(*map(w.size, values.shape))) as k:
        value = w.get(w.inputs[1], k)
        low, high = w.allocate("i64", "0"), w.allocate("i64", w.size(vector.shape[0]))
        with w.during(lambda: w.emit(f"icmp slt i64 {w.load('i64', low)}, {w.load('i64', high)}")):
            a, b = w.load("i64", low), w.load("i64", high)
            middle = w.integer("lshr", w.integer("add", a, b), 1)
            element = w.get(w.inputs[0], middle)
            if after:
                on = w.emit(f"xor i1 {w.is_less(value, element)}, true")
            else:
                on = w.is_less(element, value)
            w.store("i64", w.emit(f"select i1 {on}, i64 {w.integer('add', middle, 1)}, i64 {a}"), low)
            w.store("i64", w.emit(f"select i1 {on}, i64 {b}, i64 {middle}"), high)
        w.put(w.load("i64", low), w.outputs[0], k, "i64")


@routine("nonzero")
def nonzero(w: RoutineWriter) -> None:
    """It gives up if there are not as many as were counted."""
    count = w.size(w.results[0].shape[0])
    found = w.allocate("i64", "0")
    with w.each(w.size(w.types[0].shape[0])) as k, w.when(w.emit(f"icmp ne i8 {w.get(w.inputs[0], k)}, 0")):
        at = w.load("i64", found)
        w.require(w.emit(f"icmp slt i64 {at}, {count}"))
        w.put(k, w.outputs[0], at, "i64")
        w.store("i64", w.integer("add", at, 1), found)
    w.require(w.same("i64", w.load("i64", found), count))
