"""The native entry that every compiled function shares: CPython's vectorcall, from Python objects to a kernel and back.

One piece of machine code serves all functions.  What a function takes and gives stands in its record, what a kernel
wants for one set of shapes in a plan; both are arrays of 64-bit words (`Record`, `Plan`), so that a new function or a
new shape costs no compiling.  Whatever is not an ordinary call (a list, another element type, a stride, shapes that
have no plan yet, an index out of range) goes to the function's Python method with all that was given.

Objects are read as the inline functions of CPython and NumPy read them; `Offsets` says where things stand.
"""

from __future__ import annotations

from enum import IntEnum, auto

from ..callables import Offsets
from .control import Writer

CALL = "symgrad.call"


class Words(IntEnum):
    """Numbers of words, from 0 on."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Record(Words):
    """What is the same in all calls of a function; pointers unless said otherwise."""

    GENERAL = auto()
    """The entry for every call, where another one takes the usual ones."""
    METHOD = auto()
    """The name of the Python method for all other calls."""
    PARAMETERS = auto()
    """How many there are (a number)."""
    NAMES = auto()
    """Their names, interned, and "out"."""
    SHAPE = auto()
    """How arguments are nested (`Branch`), and its number of steps; null where none is."""
    SHAPE_STEPS = auto()
    INPUTS = auto()
    """The number of arrays and scalars in the arguments, and a `Leaf` for each."""
    INPUT_LEAVES = auto()
    OUTPUTS = auto()
    OUTPUT_LEAVES = auto()
    RESULT = auto()
    """How results are nested, and its number of steps."""
    RESULT_STEPS = auto()
    AXES = auto()
    """The number of axes of all inputs together."""
    FIRST = auto()
    """The plan that is tried first, or null."""
    WORKSPACE = auto()
    WORKSPACE_BYTES = auto()
    BUSY = auto()
    """1 while a call works in the workspace (a number)."""
    FRAME = auto()
    """The words that a call needs on the stack (a number)."""


class Leaf(Words):
    """An array or scalar as it must come: its number of axes, NumPy's number of its type, a letter for how scalars
    are converted (`KINDS`), and where its sizes begin among all sizes of the inputs (or outputs)."""

    RANK = auto()
    TYPE = auto()
    KIND = auto()
    AXIS = auto()


KINDS = {"f64": 0, "f32": 1, "i64": 2, "bool": 3}


class Branch(Words):
    """One step of a nested structure, from the outermost inwards: what it is, its length, and a dict's keys."""

    WHAT = auto()
    LENGTH = auto()
    KEYS = auto()


LEAF, TUPLE, LIST, DICT = range(4)


class Plan(Words):
    """What the kernel for one set of shapes wants."""

    NEXT = auto()
    SHAPES = auto()
    """The sizes of the inputs, one after the other."""
    KERNEL = auto()
    SIZES = auto()
    TABLE = auto()
    """The number of places in the kernel's table of pointers."""
    PLACES = auto()
    """The places of inputs, then outputs."""
    REPEATS = auto()
    """For each output 1 if it is an earlier one once more."""
    BYTES = auto()
    """The bytes of inputs, then outputs."""
    GIVEN = auto()
    """Pairs of a place and a pointer (constants), and their number."""
    GIVEN_COUNT = auto()
    TEMPORARIES = auto()
    """Pairs of a place and an offset in the workspace, and their number."""
    TEMPORARY_COUNT = auto()
    SCRATCH = auto()
    """The offset of scratch memory in the workspace, and the bytes of all of it (numbers)."""
    NEEDED = auto()
    RESULT_SHAPES = auto()
    LONG = auto()
    """1 if the kernel works long enough for other threads to run meanwhile (a number)."""
    THREADS = auto()
    """A function that sets on how many threads BLAS works, or null."""
    OWNER = auto()
    """The object that keeps all this alive."""


READABLE = 0x101
"""NumPy's flags for C order and alignment."""
WRITABLE = 0x501
"""The same and the one for writing."""

FUNCTIONS = {
    "PyObject_GetAttr": "ptr (ptr, ptr)",
    "PyObject_Vectorcall": "ptr (ptr, ptr, i64, ptr)",
    "PyUnicode_Compare": "i32 (ptr, ptr)",
    "PyTuple_GetItem": "ptr (ptr, i64)",
    "PyTuple_Size": "i64 (ptr)",
    "PyList_GetItem": "ptr (ptr, i64)",
    "PyList_Size": "i64 (ptr)",
    "PyDict_GetItemWithError": "ptr (ptr, ptr)",
    "PyDict_Size": "i64 (ptr)",
    "PyTuple_New": "ptr (i64)",
    "PyTuple_SetItem": "i32 (ptr, i64, ptr)",
    "PyList_New": "ptr (i64)",
    "PyList_SetItem": "i32 (ptr, i64, ptr)",
    "PyDict_New": "ptr ()",
    "PyDict_SetItem": "i32 (ptr, ptr, ptr)",
    "PyFloat_FromDouble": "ptr (double)",
    "PyLong_AsDouble": "double (ptr)",
    "PyLong_AsLongLong": "i64 (ptr)",
    "PyLong_FromLongLong": "ptr (i64)",
    "PyBool_FromLong": "ptr (i64)",
    "PyErr_Occurred": "ptr ()",
    "PyErr_Clear": "void ()",
    "PyEval_SaveThread": "ptr ()",
    "PyEval_RestoreThread": "void (ptr)",
    "PyMem_RawMalloc": "ptr (i64)",
    "PyMem_RawFree": "void (ptr)",
    "Py_IncRef": "void (ptr)",
    "Py_DecRef": "void (ptr)",
    "PyArray_New": "ptr (ptr, i32, ptr, i32, ptr, ptr, i32, i32, ptr)",
}
TYPES = (
    "PyFloat_Type", "PyLong_Type", "PyBool_Type", "PyTuple_Type", "PyList_Type", "PyDict_Type", "PyArray_Type",
    "Float64_Type", "Float32_Type", "Int64_Type",
)  # fmt: skip


def call_text(o: Offsets) -> str:
    """The IR of the entry."""
    declared = [f"@{name} = external global i8" for name in TYPES]
    for name, type_ in FUNCTIONS.items():
        result, _, arguments = type_.partition(" ")
        declared.append(f"declare {result} @{name}{arguments}")
    parts = [_arranged(), _unpacked(o), _taken(o), _array(o), _plan(), _targets(o), _apart(), _made(o), _run()]
    return "\n".join([*declared, *parts, _boxed(), _attached(), _built(), _dropped(), _held(), _call(o)])


def _internal(head: str, effort: str = "alwaysinline") -> Writer:
    """`effort` is "noinline optnone" for what few calls need: LLVM makes its code in a third of the time."""
    return Writer(f"internal {head} nounwind {effort}")


def _call(o: Offsets) -> str:
    f = Writer(f'ptr @"{CALL}"(ptr %self, ptr %arguments, i64 %flagged, ptr %names)', "otherwise")
    record = f.field("ptr", "%self", o.record)
    count = f.emit("and i64 %flagged, 9223372036854775807")
    frame = f.emit(f"alloca i64, i64 {f.load('i64', record, Record.FRAME)}, align 16")
    parameters, inputs, outputs = (
        f.load("i64", record, k) for k in (Record.PARAMETERS, Record.INPUTS, Record.OUTPUTS)
    )
    slots = frame
    objects = f.place(slots, f.emit(f"add i64 {parameters}, 1"))
    pointers, values = f.place(objects, inputs), f.place(objects, f.emit(f"mul i64 {inputs}, 2"))
    results = f.place(values, inputs)
    targets, numbers = f.place(results, outputs), f.place(results, f.emit(f"mul i64 {outputs}, 2"))
    shapes = f.place(numbers, outputs)
    stack = f.place(shapes, f.load("i64", record, Record.AXES))

    given = f.allocate("ptr", "%arguments")
    out = f.allocate("ptr", "null")
    plain = f.emit(f"and i1 {f.same('ptr', '%names', 'null')}, {f.same('i64', count, parameters)}")
    with f.when(f.emit(f"xor i1 {plain}, true")):
        f.require(f.emit(f"call i1 @arranged(ptr {record}, ptr %arguments, i64 {count}, ptr %names, ptr {slots})"))
        f.store("ptr", slots, given)
        f.store("ptr", f.load("ptr", slots, parameters), out)
    shape = f.load("ptr", record, Record.SHAPE)
    with f.when(f.differs("ptr", shape, "null")):
        steps = f.load("i64", record, Record.SHAPE_STEPS)
        flat = f"ptr {shape}, i64 {steps}, ptr {f.load('ptr', given)}, i64 {parameters}, ptr {objects}, ptr {stack}"
        f.require(f.emit(f"call i1 @unpacked({flat})"))
        f.store("ptr", objects, given)
    taken = f.load("ptr", given)
    leaves = f.load("ptr", record, Record.INPUT_LEAVES)
    with f.each(inputs) as k:
        leaf = f.place(leaves, f.emit(f"mul i64 {k}, {len(Leaf)}"))
        places = f"ptr {f.place(pointers, k)}, ptr {f.place(values, k)}, ptr {shapes}"
        f.require(f.emit(f"call i1 @taken(ptr {f.load('ptr', taken, k)}, ptr {leaf}, {places})"))
    plan = f.emit(f"call ptr @plan(ptr {record}, ptr {shapes})")
    f.require(f.differs("ptr", plan, "null"))

    running = f"ptr {record}, ptr {plan}, ptr {pointers}, ptr {targets}, ptr {taken}, ptr {results}"
    target = f.load("ptr", out)
    given_out = f.differs("ptr", target, "null")
    fresh, written = f.fresh_label("fresh"), f.fresh_label("written")
    f.do(f"br i1 {given_out}, label %{written}, label %{fresh}")
    f.label(written)
    where = f"ptr {record}, ptr {plan}, ptr {pointers}, ptr {results}, ptr {targets}"
    f.require(f.emit(f"call i1 @targets(ptr {target}, {where}, ptr {stack})"))
    status = f.emit(f"call i64 @run({running})")
    f.require(f.same("i64", status, 0))
    f.do(f"call void @Py_IncRef(ptr {target})")
    f.do(f"ret ptr {target}")

    f.label(fresh)
    f.require(f.emit(f"call i1 @made(ptr {record}, ptr {plan}, ptr {results}, ptr {targets}, ptr {numbers})"))
    status = f.emit(f"call i64 @run({running})")
    good, failed = f.fresh_label("good"), f.fresh_label("failed")
    f.do(f"br i1 {f.same('i64', status, 0)}, label %{good}, label %{failed}")
    f.label(failed)
    f.do(f"call void @dropped(ptr {results}, i64 {outputs})")
    f.do("br label %otherwise")
    f.label(good)
    f.do(f"ret ptr {f.emit(f'call ptr @built(ptr {record}, ptr {results}, ptr {numbers}, ptr {stack})')}")

    f.label("otherwise")
    method = f.emit(f"call ptr @PyObject_GetAttr(ptr %self, ptr {f.load('ptr', record, Record.METHOD)})")
    bound, none = f.fresh_label("bound"), f.fresh_label("none")
    f.do(f"br i1 {f.differs('ptr', method, 'null')}, label %{bound}, label %{none}")
    f.label(bound)
    answer = f.emit(f"call ptr @PyObject_Vectorcall(ptr {method}, ptr %arguments, i64 {count}, ptr %names)")
    f.do(f"call void @Py_DecRef(ptr {method})")
    f.do(f"ret ptr {answer}")
    f.label(none)
    f.do("ret ptr null")
    return f.text()


def _arranged() -> str:
    """Arguments in the order of the parameters, and what was given as out (or null); whether every one is there once.

    Names of keywords that stand in a program are interned, so that equal ones are the same object; those of a dict may
    not be."""
    f = _internal("i1 @arranged(ptr %record, ptr %arguments, i64 %count, ptr %names, ptr %slots)", "noinline optnone")
    parameters = f.load("i64", "%record", Record.PARAMETERS)
    known = f.load("ptr", "%record", Record.NAMES)
    every = f.emit(f"add i64 {parameters}, 1")
    f.require(f.emit(f"icmp sle i64 %count, {parameters}"))
    with f.each(every) as k:
        f.store("ptr", "null", "%slots", k)
    with f.each("%count") as k:
        f.store("ptr", f.load("ptr", "%arguments", k), "%slots", k)
    keywords = f.allocate("i64", "0")
    with f.when(f.differs("ptr", "%names", "null")):
        f.store("i64", f.emit("call i64 @PyTuple_Size(ptr %names)"), keywords)
    found = f.allocate("i64", "0")
    with f.each(f.load("i64", keywords)) as k:
        name = f.emit(f"call ptr @PyTuple_GetItem(ptr %names, i64 {k})")
        value = f.load("ptr", "%arguments", f.emit(f"add i64 %count, {k}"))
        before = f.load("i64", found)

        def give(j: str, value: str = value) -> None:
            f.require(f.same("ptr", f.load("ptr", "%slots", j), "null"))
            f.store("ptr", value, "%slots", j)
            f.store("i64", f.emit(f"add i64 {f.load('i64', found)}, 1"), found)

        with f.each(every) as j, f.when(f.same("ptr", name, f.load("ptr", known, j))):
            give(j)
        with f.when(f.same("i64", f.load("i64", found), before)), f.each(every) as j:
            order = f.emit(f"call i32 @PyUnicode_Compare(ptr {name}, ptr {f.load('ptr', known, j)})")
            with f.when(f.same("i32", order, 0)):
                give(j)
    f.require(f.same("i64", f.load("i64", found), f.load("i64", keywords)))
    with f.each(parameters) as k:
        f.require(f.differs("ptr", f.load("ptr", "%slots", k), "null"))
    f.answer("true")
    return f.text()


def _unpacked(o: Offsets) -> str:
    """The leaves of `count` objects that are nested as `steps` steps from `shape` on say; whether they are."""
    head = "i1 @unpacked(ptr %shape, i64 %steps, ptr %given, i64 %count, ptr %leaves, ptr %stack)"
    f = _internal(head, "noinline optnone")
    height, leaf = f.allocate("i64", "0"), f.allocate("i64", "0")

    def push(value: str) -> None:
        at = f.load("i64", height)
        f.store("ptr", value, "%stack", at)
        f.store("i64", f.emit(f"add i64 {at}, 1"), height)

    with f.each("%count") as k:
        push(f.load("ptr", "%given", f.emit(f"sub i64 {f.emit('sub i64 %count, 1')}, {k}")))
    with f.each("%steps") as k:
        step = f.place("%shape", f.emit(f"mul i64 {k}, {len(Branch)}"))
        top = f.emit(f"sub i64 {f.load('i64', height)}, 1")
        f.store("i64", top, height)
        value = f.load("ptr", "%stack", top)
        what, length = f.load("i64", step, Branch.WHAT), f.load("i64", step, Branch.LENGTH)
        type_ = f.field("ptr", value, o.type)
        with f.when(f.same("i64", what, LEAF)):
            at = f.load("i64", leaf)
            f.store("ptr", value, "%leaves", at)
            f.store("i64", f.emit(f"add i64 {at}, 1"), leaf)
        for kind, name in ((TUPLE, "Tuple"), (LIST, "List"), (DICT, "Dict")):
            with f.when(f.same("i64", what, kind)):
                f.require(f.same("ptr", type_, f"@Py{name}_Type"))
                f.require(f.same("i64", f.emit(f"call i64 @Py{name}_Size(ptr {value})"), length))
                with f.each(length) as j:
                    back = f.emit(f"sub i64 {f.emit(f'sub i64 {length}, 1')}, {j}")
                    if kind == DICT:
                        key = f.load("ptr", f.load("ptr", step, Branch.KEYS), back)
                        part = f.emit(f"call ptr @PyDict_GetItemWithError(ptr {value}, ptr {key})")
                        f.require(f.differs("ptr", part, "null"))
                    else:
                        part = f.emit(f"call ptr @Py{name}_GetItem(ptr {value}, i64 {back})")
                    push(part)
    f.answer("true")
    return f.text()


def _array(o: Offsets) -> str:
    """Whether an object is an array as `leaf` says, in C order and aligned (and writable, by the flags `wanted`)."""
    f = _internal("i1 @array(ptr %object, ptr %leaf, i32 %wanted)")
    f.require(f.same("ptr", f.field("ptr", "%object", o.type), "@PyArray_Type"))
    rank = f.emit(f"trunc i64 {f.load('i64', '%leaf', Leaf.RANK)} to i32")
    f.require(f.same("i32", f.field("i32", "%object", o.rank), rank))
    flags = f.emit(f"and i32 {f.field('i32', '%object', o.flags)}, %wanted")
    f.require(f.same("i32", flags, "%wanted"))
    dtype = f.field("ptr", "%object", o.dtype)
    number = f.emit(f"trunc i64 {f.load('i64', '%leaf', Leaf.TYPE)} to i32")
    f.require(f.same("i32", f.field("i32", dtype, o.number), number))
    f.require(f.differs("i8", f.field("i8", dtype, o.byteorder), o.swapped))
    f.answer("true")
    return f.text()


def _taken(o: Offsets) -> str:
    """Where the data of an argument are: in its array, or in `value` for a number; its sizes go to `shapes`."""
    f = _internal("i1 @taken(ptr %object, ptr %leaf, ptr %pointer, ptr %value, ptr %shapes)")
    type_ = f.field("ptr", "%object", o.type)
    rank, kind = f.load("i64", "%leaf", Leaf.RANK), f.load("i64", "%leaf", Leaf.KIND)
    scalar, array, number, whole, real, narrow, wide, have = (
        f.fresh_label(name) for name in ("scalar", "array", "number", "whole", "real", "narrow", "wide", "have")
    )
    direct, other, integer, error, wrong, numpy, single, long, signed = (
        f.fresh_label(name)
        for name in ("direct", "other", "integer", "error", "wrong", "numpy", "single", "long", "signed")
    )
    f.do(f"br i1 {f.same('i64', rank, 0)}, label %{scalar}, label %{array}")
    f.label(scalar)
    floating = f.emit(f"icmp sle i64 {kind}, {KINDS['f32']}")
    f.do(f"br i1 {floating}, label %{number}, label %{whole}")
    f.label(number)
    is_float = f.emit(f"or i1 {f.same('ptr', type_, '@PyFloat_Type')}, {f.same('ptr', type_, '@Float64_Type')}")
    f.do(f"br i1 {is_float}, label %{direct}, label %{other}")
    f.label(direct)
    read = f.field("double", "%object", o.contents)
    f.do(f"br label %{real}")
    f.label(other)
    is_integer = f.emit(f"or i1 {f.same('ptr', type_, '@PyLong_Type')}, {f.same('ptr', type_, '@PyBool_Type')}")
    f.do(f"br i1 {is_integer}, label %{integer}, label %{numpy}")
    f.label(numpy)  # an int64 as f32 would be rounded twice
    f.do(f"br i1 {f.same('ptr', type_, '@Float32_Type')}, label %{single}, label %{long}")
    f.label(single)
    extended = f.emit(f"fpext float {f.field('float', '%object', o.contents)} to double")
    f.do(f"br label %{real}")
    f.label(long)
    is_long = f.emit(f"and i1 {f.same('ptr', type_, '@Int64_Type')}, {f.same('i64', kind, KINDS['f64'])}")
    f.do(f"br i1 {is_long}, label %{signed}, label %{array}")
    f.label(signed)
    rounded = f.emit(f"sitofp i64 {f.field('i64', '%object', o.contents)} to double")
    f.do(f"br label %{real}")
    f.label(integer)
    converted = f.emit("call double @PyLong_AsDouble(ptr %object)")
    f.do(f"br i1 {f.emit(f'fcmp oeq double {converted}, -1.0')}, label %{error}, label %{real}")
    f.label(error)
    f.do(f"br i1 {f.differs('ptr', f.emit('call ptr @PyErr_Occurred()'), 'null')}, label %{wrong}, label %{real}")
    f.label(wrong)
    f.do("call void @PyErr_Clear()")
    f.do("br label %no")
    f.label(real)
    x = f.emit(f"phi double [ {read}, %{direct} ], [ {converted}, %{integer} ], [ {converted}, %{error} ], "
               f"[ {extended}, %{single} ], [ {rounded}, %{signed} ]")  # fmt: skip
    f.do(f"br i1 {f.same('i64', kind, KINDS['f64'])}, label %{wide}, label %{narrow}")
    f.label(wide)
    f.do(f"store double {x}, ptr %value")
    f.do(f"br label %{have}")
    f.label(narrow)
    f.do(f"store float {f.emit(f'fptrunc double {x} to float')}, ptr %value")
    f.do(f"br label %{have}")

    f.label(whole)
    integral, doubt, index, known, stored = (
        f.fresh_label(name) for name in ("integral", "doubt", "index", "known", "stored")
    )
    f.do(f"br i1 {f.same('i64', kind, KINDS['i64'])}, label %{index}, label %{array}")
    f.label(index)
    f.do(f"br i1 {f.same('ptr', type_, '@PyLong_Type')}, label %{integral}, label %{known}")
    f.label(known)
    f.do(f"br i1 {f.same('ptr', type_, '@Int64_Type')}, label %{stored}, label %{array}")
    f.label(stored)
    f.do(f"store i64 {f.field('i64', '%object', o.contents)}, ptr %value")
    f.do(f"br label %{have}")
    f.label(integral)
    n = f.emit("call i64 @PyLong_AsLongLong(ptr %object)")
    f.do(f"store i64 {n}, ptr %value")
    f.do(f"br i1 {f.same('i64', n, -1)}, label %{doubt}, label %{have}")
    f.label(doubt)
    f.do(f"br i1 {f.differs('ptr', f.emit('call ptr @PyErr_Occurred()'), 'null')}, label %{wrong}, label %{have}")
    f.label(have)
    f.store("ptr", "%value", "%pointer")
    f.do("ret i1 true")

    f.label(array)
    f.require(f.emit(f"call i1 @array(ptr %object, ptr %leaf, i32 {READABLE})"))
    f.store("ptr", f.field("ptr", "%object", o.data), "%pointer")
    sizes = f.field("ptr", "%object", o.shape)
    own = f.place("%shapes", f.load("i64", "%leaf", Leaf.AXIS))
    with f.each(rank) as k:
        f.store("i64", f.load("i64", sizes, k), own, k)
    f.answer("true")
    return f.text()


def _plan() -> str:
    """The plan for the sizes `shapes`, or null."""
    f = _internal("ptr @plan(ptr %record, ptr %shapes)")
    axes = f.load("i64", "%record", Record.AXES)
    current = f.allocate("ptr", f.load("ptr", "%record", Record.FIRST))
    f.do("br label %look")
    f.label("look")
    plan = f.load("ptr", current)
    f.do(f"br i1 {f.same('ptr', plan, 'null')}, label %found, label %compare")
    f.label("compare")
    known = f.load("ptr", plan, Plan.SHAPES)
    f.refuse = "following"
    with f.each(axes) as k:
        f.require(f.same("i64", f.load("i64", known, k), f.load("i64", "%shapes", k)))
    f.do("br label %found")
    f.label("following")
    f.store("ptr", f.load("ptr", plan, Plan.NEXT), current)
    f.do("br label %look")
    f.label("found")
    f.do(f"ret ptr {f.load('ptr', current)}")
    return f.text()


def _targets(o: Offsets) -> str:
    """The arrays in `out` and where their data are; whether results can be written there directly."""
    head = "i1 @targets(ptr %out, ptr %record, ptr %plan, ptr %pointers, ptr %arrays, ptr %targets, ptr %stack)"
    f = _internal(head, "noinline optnone")
    holder = f.at_entry("alloca ptr")
    f.store("ptr", "%out", holder)
    shape, steps = f.load("ptr", "%record", Record.RESULT), f.load("i64", "%record", Record.RESULT_STEPS)
    unpacked = f"ptr {shape}, i64 {steps}, ptr {holder}, i64 1, ptr %arrays, ptr %stack"
    f.require(f.emit(f"call i1 @unpacked({unpacked})"))
    inputs, outputs = f.load("i64", "%record", Record.INPUTS), f.load("i64", "%record", Record.OUTPUTS)
    leaves = f.load("ptr", "%record", Record.OUTPUT_LEAVES)
    wanted = f.load("ptr", "%plan", Plan.RESULT_SHAPES)
    lengths = f.load("ptr", "%plan", Plan.BYTES)
    with f.each(outputs) as j:
        array, leaf = f.load("ptr", "%arrays", j), f.place(leaves, f.emit(f"mul i64 {j}, {len(Leaf)}"))
        f.require(f.emit(f"call i1 @array(ptr {array}, ptr {leaf}, i32 {WRITABLE})"))
        sizes = f.field("ptr", array, o.shape)
        own = f.place(wanted, f.load("i64", leaf, Leaf.AXIS))
        with f.each(f.load("i64", leaf, Leaf.RANK)) as k:
            f.require(f.same("i64", f.load("i64", sizes, k), f.load("i64", own, k)))
        data = f.field("ptr", array, o.data)
        f.store("ptr", data, "%targets", j)
        length = f.load("i64", lengths, f.emit(f"add i64 {inputs}, {j}"))
        for count, others, first in ((inputs, "%pointers", "0"), (j, "%targets", inputs)):
            with f.each(count) as k:
                other = f.load("i64", lengths, f.emit(f"add i64 {first}, {k}"))
                between = f"ptr {data}, i64 {length}, ptr {f.load('ptr', others, k)}, i64 {other}"
                f.require(f.emit(f"call i1 @apart({between})"))
    f.answer("true")
    return f.text()


def _apart() -> str:
    """Whether two pieces of memory have no byte in common."""
    f = _internal("i1 @apart(ptr %a, i64 %m, ptr %b, i64 %n)")
    first, second = f.emit("ptrtoint ptr %a to i64"), f.emit("ptrtoint ptr %b to i64")
    distance = f.emit(f"sub i64 {second}, {first}")
    behind = f.emit(f"icmp sge i64 {distance}, %m")
    before = f.emit(f"icmp sle i64 {f.emit(f'add i64 {distance}, %n')}, 0")
    f.do(f"ret i1 {f.emit(f'or i1 {behind}, {before}')}")
    return f.text()


def _made(o: Offsets) -> str:
    """New arrays for the results, and places among `numbers` for scalars; false, and none, if memory lacks."""
    f = _internal("i1 @made(ptr %record, ptr %plan, ptr %arrays, ptr %targets, ptr %numbers)")
    outputs, leaves = f.load("i64", "%record", Record.OUTPUTS), f.load("ptr", "%record", Record.OUTPUT_LEAVES)
    shapes = f.load("ptr", "%plan", Plan.RESULT_SHAPES)
    with f.each(outputs) as j:
        leaf = f.place(leaves, f.emit(f"mul i64 {j}, {len(Leaf)}"))
        f.store("ptr", "null", "%arrays", j)
        f.store("ptr", f.place("%numbers", j), "%targets", j)
        rank = f.load("i64", leaf, Leaf.RANK)
        with f.when(f.differs("i64", rank, 0)):
            axes = f.emit(f"trunc i64 {rank} to i32")
            number = f.emit(f"trunc i64 {f.load('i64', leaf, Leaf.TYPE)} to i32")
            own = f.place(shapes, f.load("i64", leaf, Leaf.AXIS))
            kind = f"ptr @PyArray_Type, i32 {axes}, ptr {own}, i32 {number}"
            array = f.emit(f"call ptr @PyArray_New({kind}, ptr null, ptr null, i32 0, i32 0, ptr null)")
            with f.when(f.same("ptr", array, "null")):
                f.do("call void @PyErr_Clear()")
                f.do(f"call void @dropped(ptr %arrays, i64 {j})")
                f.do("br label %no")
                f.label(f.fresh_label("never"))
            f.store("ptr", array, "%arrays", j)
            f.store("ptr", f.field("ptr", array, o.data), "%targets", j)
    f.answer("true")
    return f.text()


def _run() -> str:
    """Runs the kernel; its status, or 3 where there is no memory to work in.

    While other threads run, all that is in use is held."""
    head = "i64 @run(ptr %record, ptr %plan, ptr %pointers, ptr %targets, ptr %taken, ptr %results)"
    f = _internal(head, "noinline")
    inputs, outputs = f.load("i64", "%record", Record.INPUTS), f.load("i64", "%record", Record.OUTPUTS)
    length = f.load("i64", "%plan", Plan.TABLE)
    table = f.emit(f"alloca ptr, i64 {f.emit(f'add i64 {length}, 1')}, align 16")
    places, repeats = f.load("ptr", "%plan", Plan.PLACES), f.load("ptr", "%plan", Plan.REPEATS)
    with f.each(inputs) as k:
        f.store("ptr", f.load("ptr", "%pointers", k), table, f.load("i64", places, k))
    own = f.place(places, inputs)
    with f.each(outputs) as j, f.when(f.same("i64", f.load("i64", repeats, j), 0)):
        f.store("ptr", f.load("ptr", "%targets", j), table, f.load("i64", own, j))
    pairs = f.load("ptr", "%plan", Plan.GIVEN)
    with f.each(f.load("i64", "%plan", Plan.GIVEN_COUNT)) as k:
        pair = f.place(pairs, f.emit(f"mul i64 {k}, 2"))
        f.store("ptr", f.load("ptr", pair, 1), table, f.load("i64", pair))

    needed = f.load("i64", "%plan", Plan.NEEDED)
    memory, own_memory, borrowed = f.allocate("ptr", "null"), f.allocate("ptr", "null"), f.allocate("i64", "0")
    with f.when(f.differs("i64", needed, 0)):
        free = f.same("i64", f.load("i64", "%record", Record.BUSY), 0)
        enough = f.emit(f"icmp sle i64 {needed}, {f.load('i64', '%record', Record.WORKSPACE_BYTES)}")
        usable = f.emit(f"and i1 {free}, {enough}")
        with f.when(usable):
            f.store("i64", "1", "%record", Record.BUSY)
            f.store("i64", "1", borrowed)
            f.store("ptr", f.load("ptr", "%record", Record.WORKSPACE), memory)
        with f.when(f.emit(f"xor i1 {usable}, true")):
            new = f.emit(f"call ptr @PyMem_RawMalloc(i64 {needed})")
            f.require(f.differs("ptr", new, "null"))
            f.store("ptr", new, memory)
            f.store("ptr", new, own_memory)
        start = f.emit(f"ptrtoint ptr {f.load('ptr', memory)} to i64")
        aligned = f.emit(f"and i64 {f.emit(f'add i64 {start}, 63')}, -64")
        base = f.emit(f"inttoptr i64 {aligned} to ptr")
        pairs = f.load("ptr", "%plan", Plan.TEMPORARIES)
        with f.each(f.load("i64", "%plan", Plan.TEMPORARY_COUNT)) as k:
            pair = f.place(pairs, f.emit(f"mul i64 {k}, 2"))
            f.store("ptr", f.place(base, f.load("i64", pair, 1), "i8"), table, f.load("i64", pair))
        f.store("ptr", f.place(base, f.load("i64", "%plan", Plan.SCRATCH), "i8"), table, length)

    blas, before = f.load("ptr", "%plan", Plan.THREADS), f.allocate("i32", "0")
    with f.when(f.differs("ptr", blas, "null")):
        f.store("i32", f.emit(f"call i32 {blas}(i32 1)"), before)
    kernel, sizes = f.load("ptr", "%plan", Plan.KERNEL), f.load("ptr", "%plan", Plan.SIZES)
    long = f.differs("i64", f.load("i64", "%plan", Plan.LONG), 0)
    owner, thread = f.load("ptr", "%plan", Plan.OWNER), f.allocate("ptr", "null")

    def hold(function: str) -> None:
        objects = f"ptr {owner}, i64 {inputs}, ptr %taken, i64 {outputs}, ptr %results"
        f.do(f"call void @held(ptr @{function}, {objects})")

    with f.when(long):
        hold("Py_IncRef")
        f.store("ptr", f.emit("call ptr @PyEval_SaveThread()"), thread)
    status = f.emit(f"call i64 {kernel}(ptr {table}, ptr {sizes}, ptr null)")
    bytes_ = f.load("ptr", "%plan", Plan.BYTES)
    with f.each(outputs) as j, f.when(f.differs("i64", f.load("i64", repeats, j), 0)):
        source = f.load("ptr", table, f.load("i64", own, j))
        count = f.load("i64", bytes_, f.emit(f"add i64 {inputs}, {j}"))
        target = f.load("ptr", "%targets", j)
        f.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {count}, i1 false)")
    with f.when(f.differs("ptr", blas, "null")):
        f.emit(f"call i32 {blas}(i32 {f.load('i32', before)})")
    with f.when(f.differs("ptr", f.load("ptr", thread), "null")):
        f.do(f"call void @PyEval_RestoreThread(ptr {f.load('ptr', thread)})")
        hold("Py_DecRef")
    with f.when(f.differs("i64", f.load("i64", borrowed), 0)):
        f.store("i64", "0", "%record", Record.BUSY)
    with f.when(f.differs("ptr", f.load("ptr", own_memory), "null")):
        f.do(f"call void @PyMem_RawFree(ptr {f.load('ptr', own_memory)})")
    f.do(f"ret i64 {status}")
    f.label("no")
    f.do("ret i64 3")
    return f.text()


def _held() -> str:
    """Calls `function`, which counts a reference more or less, for all that a running kernel uses."""
    head = "void @held(ptr %function, ptr %owner, i64 %inputs, ptr %taken, i64 %outputs, ptr %results)"
    f = _internal(head, "noinline optnone")
    f.do("call void %function(ptr %owner)")
    for count, objects in (("%inputs", "%taken"), ("%outputs", "%results")):
        with f.each(count) as k:
            f.do(f"call void %function(ptr {f.load('ptr', objects, k)})")
    f.do("ret void")
    return f.text()


def _boxed() -> str:
    """A scalar result as a Python number (a new reference, or null)."""
    f = _internal("ptr @boxed(ptr %number, i64 %kind)")
    real, narrow, whole, truth = ("real", "narrow", "whole", "truth")
    f.do(f"switch i64 %kind, label %{truth} [ i64 0, label %{real} i64 1, label %{narrow} i64 2, label %{whole} ]")
    f.label(real)
    x = f.load("double", "%number")
    f.do(f"ret ptr {f.emit(f'call ptr @PyFloat_FromDouble(double {x})')}")
    f.label(narrow)
    wide = f.emit(f"fpext float {f.load('float', '%number')} to double")
    f.do(f"ret ptr {f.emit(f'call ptr @PyFloat_FromDouble(double {wide})')}")
    f.label(whole)
    n = f.load("i64", "%number")
    f.do(f"ret ptr {f.emit(f'call ptr @PyLong_FromLongLong(i64 {n})')}")
    f.label(truth)
    bit = f.emit(f"zext i8 {f.load('i8', '%number')} to i64")
    f.do(f"ret ptr {f.emit(f'call ptr @PyBool_FromLong(i64 {bit})')}")
    return f.text()


def _attached() -> str:
    """Puts `part` into `parent`, a tuple, list or dict (`kind`), which owns it from then on; whether that worked."""
    f = _internal("i1 @attached(ptr %parent, i64 %kind, i64 %at, ptr %keys, ptr %part)")
    f.do(f"switch i64 %kind, label %dict [ i64 {TUPLE}, label %tuple i64 {LIST}, label %list ]")
    for name in ("Tuple", "List"):
        f.label(name.lower())
        done = f.emit(f"call i32 @Py{name}_SetItem(ptr %parent, i64 %at, ptr %part)")
        f.do(f"ret i1 {f.same('i32', done, 0)}")
    f.label("dict")
    key = f.load("ptr", "%keys", "%at")
    done = f.emit(f"call i32 @PyDict_SetItem(ptr %parent, ptr {key}, ptr %part)")
    f.do("call void @Py_DecRef(ptr %part)")
    f.do(f"ret i1 {f.same('i32', done, 0)}")
    return f.text()


def _built() -> str:
    """The results in their structure, a new reference; null, with an exception set, if memory lacks.

    A branch stands in its parent as soon as it is made, so what fails later has the outermost one to let go.  The
    stack holds for every part that is still to come its parent, kind, place and keys."""
    f = _internal("ptr @built(ptr %record, ptr %arrays, ptr %numbers, ptr %stack)")
    f.refuse = "failed"
    shape, steps = f.load("ptr", "%record", Record.RESULT), f.load("i64", "%record", Record.RESULT_STEPS)
    leaves, outputs = f.load("ptr", "%record", Record.OUTPUT_LEAVES), f.load("i64", "%record", Record.OUTPUTS)
    height, next_leaf, root = f.allocate("i64", "1"), f.allocate("i64", "0"), f.allocate("ptr", "null")
    made = f.at_entry("alloca ptr")
    f.store("ptr", "null", "%stack")
    with f.each(steps) as k:
        step = f.place(shape, f.emit(f"mul i64 {k}, {len(Branch)}"))
        what, length = f.load("i64", step, Branch.WHAT), f.load("i64", step, Branch.LENGTH)
        top = f.emit(f"sub i64 {f.load('i64', height)}, 1")
        f.store("i64", top, height)
        place = f.place("%stack", f.emit(f"mul i64 {top}, 4"))
        parent, kind, at, keys = (f.load(t, place, i) for i, t in enumerate(("ptr", "i64", "i64", "ptr")))
        labels = [f.fresh_label(name) for name in ("leaf", "tuple", "list", "dict", "have")]
        leaf, tuple_, list_, dict_, have = labels
        f.do(f"switch i64 {what}, label %{leaf} "
             f"[ i64 {TUPLE}, label %{tuple_} i64 {LIST}, label %{list_} i64 {DICT}, label %{dict_} ]")  # fmt: skip
        for label, text in (
            (tuple_, f"call ptr @PyTuple_New(i64 {length})"),
            (list_, f"call ptr @PyList_New(i64 {length})"),
            (dict_, "call ptr @PyDict_New()"),
        ):
            f.label(label)
            f.store("ptr", f.emit(text), made)
            f.do(f"br label %{have}")
        f.label(leaf)
        j = f.load("i64", next_leaf)
        f.store("i64", f.emit(f"add i64 {j}, 1"), next_leaf)
        array = f.load("ptr", "%arrays", j)
        f.store("ptr", "null", "%arrays", j)
        f.store("ptr", array, made)
        number = f.fresh_label("number")
        f.do(f"br i1 {f.same('ptr', array, 'null')}, label %{number}, label %{have}")
        f.label(number)
        described = f.place(leaves, f.emit(f"mul i64 {j}, {len(Leaf)}"))
        boxed = f"ptr {f.place('%numbers', j)}, i64 {f.load('i64', described, Leaf.KIND)}"
        f.store("ptr", f.emit(f"call ptr @boxed({boxed})"), made)
        f.do(f"br label %{have}")
        f.label(have)
        part = f.load("ptr", made)
        f.require(f.differs("ptr", part, "null"))
        inner, outer, after = (f.fresh_label(name) for name in ("inner", "outer", "attached"))
        f.do(f"br i1 {f.same('ptr', parent, 'null')}, label %{outer}, label %{inner}")
        f.label(outer)
        f.store("ptr", part, root)
        f.do(f"br label %{after}")
        f.label(inner)
        f.require(f.emit(f"call i1 @attached(ptr {parent}, i64 {kind}, i64 {at}, ptr {keys}, ptr {part})"))
        f.do(f"br label %{after}")
        f.label(after)
        with f.when(f.differs("i64", what, LEAF)):
            own = f.load("ptr", step, Branch.KEYS)
            with f.each(length) as i:
                top = f.load("i64", height)
                place = f.place("%stack", f.emit(f"mul i64 {top}, 4"))
                back = f.emit(f"sub i64 {f.emit(f'sub i64 {length}, 1')}, {i}")
                for index, (type_, value) in enumerate((("ptr", part), ("i64", what), ("i64", back), ("ptr", own))):
                    f.store(type_, value, place, index)
                f.store("i64", f.emit(f"add i64 {top}, 1"), height)
    f.do(f"ret ptr {f.load('ptr', root)}")
    f.label("failed")
    f.do(f"call void @Py_DecRef(ptr {f.load('ptr', root)})")
    f.do(f"call void @dropped(ptr %arrays, i64 {outputs})")
    f.do("ret ptr null")
    return f.text()


def _dropped() -> str:
    """Lets go of the objects in `arrays` that are there."""
    f = _internal("void @dropped(ptr %arrays, i64 %count)", "noinline optnone")
    with f.each("%count") as k:
        f.do(f"call void @Py_DecRef(ptr {f.load('ptr', '%arrays', k)})")
    f.do("ret void")
    return f.text()


__all__ = ["CALL", "FUNCTIONS", "KINDS", "TYPES", "Branch", "Leaf", "Plan", "Record", "call_text"]
