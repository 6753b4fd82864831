"""The native entries of callables: records of what a function takes and gives, plans of what its kernels want.

An `Entry` has the ordinary calls of an instance answered by machine code, without any Python code in between; all
others go to a method of the instance.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .cache import kept, usable
from .callables import WORD, offsets, peek, supported
from .llvm.calling import (
    CALL,
    DICT,
    FUNCTIONS,
    KINDS,
    LEAF,
    LIST,
    TUPLE,
    TYPES,
    Branch,
    Leaf,
    Plan,
    Record,
    call_text,
)
from .llvm.calling_scalars import CALL as SCALARS
from .llvm.calling_scalars import FUNCTIONS as SCALAR_FUNCTIONS
from .llvm.calling_scalars import Slots, scalars_text
from .llvm.jit import PASSES, QUICK, Code, determinants, host, object_code
from .types import DTYPES, ArrayType

Tree = Any
"""A leaf, or a dict, list or tuple of trees."""

MOST_WORDS = 2**15
"""The most that a call may need on the stack: beyond it Python takes the call."""
MOST_FLOATS, MOST_RESULTS = 64, 500
"""A function of more floats, or with more results, has no entry of its own."""
MOST_PLANS = 256
LARGEST_WORKSPACE = 2**22
"""Up to so many bytes of temporary memory a function keeps between calls."""


# ---- the code


@lru_cache(maxsize=4)
def _code(record: int) -> Code:
    """The entry for objects that have their record at `record`.

    It is made once for all programs where it can be kept; elsewhere it costs more than most calls gain by it."""
    effort = (2, PASSES) if usable() else QUICK
    return Code(_made(call_text(offsets(record)), effort), {}, _addresses())


@lru_cache(maxsize=256)
def _scalar_code(record: int, length: int, takes: tuple[int, ...], gives: Slots) -> Code:
    """The entry of functions of floats, which all functions of that signature share."""
    text = scalars_text(offsets(record), tuple.__basicsize__, length, takes, gives)
    known = {name: _addresses()[name] for name in (*SCALAR_FUNCTIONS, "PyFloat_Type")}
    return Code(_made(text, QUICK), {}, known)  # calls take as long with LLVM's full effort


def _made(text: str, effort: tuple[int, tuple[str, ...]]) -> bytes:
    target = host()
    return kept(determinants(text, target, *effort), lambda: object_code(text, target, *effort))


@lru_cache(maxsize=1)
def _addresses() -> dict[str, int]:
    names = [*(name for name in FUNCTIONS if name.startswith("Py") and name != "PyArray_New")]
    known = {name: ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value or 0 for name in names}
    types: tuple[type, ...] = (
        float, int, bool, tuple, list, dict, np.ndarray, np.float64, np.float32, np.int64
    )  # fmt: skip
    known |= {name: id(type_) for name, type_ in zip(TYPES, types, strict=True)}
    return known | {"PyArray_New": _numpy_function(93)}


def _numpy_function(number: int) -> int:
    """The address of a function of NumPy's C interface, whose numbers are fixed."""
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    table = get(("PyCapsule_GetPointer", ctypes.pythonapi))(_multiarray_umath._ARRAY_API, None)
    address: int = peek(table + WORD * number, ctypes.c_void_p)
    return address


# ---- records and plans


@dataclass(frozen=True, slots=True)
class Ready:
    """A kernel for one set of shapes.  `inputs`, `outputs` and `given` are places in its table of pointers: of the
    arguments, of the results in their order, and of further arrays.  Temporaries stand at offsets of a workspace of
    `needed` bytes, scratch memory at `scratch`."""

    address: int
    owner: object
    sizes: np.ndarray[Any, Any]
    table: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    given: tuple[tuple[int, np.ndarray[Any, Any]], ...]
    temporaries: tuple[tuple[int, int], ...]
    scratch: int
    needed: int
    long: bool
    threads: int
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]
    output_shapes: tuple[tuple[int, ...], ...]


class _Memory:
    """Arrays of words that stay where they are as long as this lives."""

    def __init__(self) -> None:
        self.held: list[object] = []

    def words(self, values: Sequence[int]) -> int:
        made = (ctypes.c_int64 * max(1, len(values)))(*values)
        self.held.append(made)
        return ctypes.addressof(made)

    def objects(self, values: Sequence[object]) -> int:
        self.held.append(values)
        return self.words([id(v) for v in values])


class Entry:
    """Has calls of `instance` answered by machine code: ordinary ones for shapes that have been added, all others by
    its method called `method`.

    `arguments` are one tree of types for each of the parameters `names`, `results` the tree of the results' types."""

    def __init__(
        self, instance: object, method: str, names: Sequence[str], arguments: Sequence[Tree], results: Tree
    ) -> None:
        self._memory = memory = _Memory()
        memory.held.append(method)
        nested = [step for tree in arguments for step in _steps(tree)]
        inputs = [leaf for what, leaf in nested if what == LEAF]
        result = list(_steps(results))
        outputs = [leaf for what, leaf in result if what == LEAF]
        plain = len(nested) == len(arguments) == len(inputs)
        axes = sum(x.rank for x in inputs)
        stack = 4 * (len(nested) + len(result)) + 4
        frame = len(names) + 1 + 3 * (len(inputs) + len(outputs)) + axes + stack
        record = {
            Record.METHOD: id(method),
            Record.PARAMETERS: len(names),
            Record.NAMES: memory.objects([*map(sys.intern, names), sys.intern("out")]),
            Record.SHAPE: 0 if plain else self._branches(nested),
            Record.SHAPE_STEPS: len(nested),
            Record.INPUTS: len(inputs),
            Record.INPUT_LEAVES: self._leaves(inputs),
            Record.OUTPUTS: len(outputs),
            Record.OUTPUT_LEAVES: self._leaves(outputs),
            Record.RESULT: self._branches(result),
            Record.RESULT_STEPS: len(result),
            Record.AXES: axes,
            Record.FRAME: frame,
        }
        self._record = (ctypes.c_int64 * len(Record))(*(record.get(k, 0) for k in Record))
        self._plans: list[object] = []
        self.shapes: set[tuple[tuple[int, ...], ...]] = set()
        self._workspace: list[object] = []
        self._instance = id(instance)  # which holds this, so it is there as long as this is
        self._at = type(instance).__basicsize__ - 2 * WORD
        self._results, self._steps = results, result
        floats = all(x == ArrayType("f64") for x in (*inputs, *outputs))
        self._of_floats = floats and plain and len(inputs) < MOST_FLOATS and len(outputs) < MOST_RESULTS
        self._code = [_code(self._at + WORD)]
        self._record[Record.GENERAL] = self._code[0].address(CALL)
        _set(self._instance + self._at + WORD, ctypes.addressof(self._record))
        _set(self._instance + self._at, self._record[Record.GENERAL])

    def _branches(self, steps: Sequence[tuple[int, Any]]) -> int:
        words: list[int] = []
        for what, content in steps:
            keys = self._memory.objects(tuple(content)) if what == DICT else 0
            length = 0 if what == LEAF else len(content)
            words += {Branch.WHAT: what, Branch.LENGTH: length, Branch.KEYS: keys}.values()
        return self._memory.words(words)

    def _leaves(self, types: Sequence[ArrayType]) -> int:
        words: list[int] = []
        axis = 0
        for x in types:
            found = {
                Leaf.RANK: x.rank, Leaf.TYPE: DTYPES[x.dtype].num, Leaf.KIND: KINDS[x.dtype], Leaf.AXIS: axis
            }  # fmt: skip
            words += found.values()
            axis += x.rank
        return self._memory.words(words)

    def add(self, shapes: tuple[tuple[int, ...], ...], ready: Ready) -> None:
        """Has calls with arguments of these shapes run by `ready`."""
        if len(self._plans) >= MOST_PLANS:
            self.clear()
        self.shapes.add(shapes)
        memory = _Memory()
        places = [*ready.inputs, *ready.outputs]
        given = [(place, array.ctypes.data) for place, array in ready.given]
        first = {place: j for j, place in reversed(list(enumerate(ready.outputs)))}
        words = {
            Plan.NEXT: self._record[Record.FIRST],
            Plan.SHAPES: memory.words([n for shape in shapes for n in shape]),
            Plan.KERNEL: ready.address,
            Plan.SIZES: ready.sizes.ctypes.data,
            Plan.TABLE: ready.table,
            Plan.PLACES: memory.words(places),
            Plan.REPEATS: memory.words([int(first[place] != j) for j, place in enumerate(ready.outputs)]),
            Plan.BYTES: memory.words([*ready.input_bytes, *ready.output_bytes]),
            Plan.GIVEN: memory.words([word for pair in given for word in pair]),
            Plan.GIVEN_COUNT: len(given),
            Plan.TEMPORARIES: memory.words([word for pair in ready.temporaries for word in pair]),
            Plan.TEMPORARY_COUNT: len(ready.temporaries),
            Plan.SCRATCH: ready.scratch,
            Plan.NEEDED: ready.needed,
            Plan.RESULT_SHAPES: memory.words([n for shape in ready.output_shapes for n in shape]),
            Plan.LONG: int(ready.long),
            Plan.THREADS: ready.threads,
        }
        owner = (memory, ready)
        words[Plan.OWNER] = id(owner)
        plan = memory.words([words[k] for k in Plan])
        self._plans.append(owner)
        self._make_room(ready.needed)
        self._record[Record.FIRST] = plan
        if self._of_floats and ready.table == len({*places}) and all(what in (LEAF, TUPLE) for what, _ in self._steps):
            self._write_out(ready)

    def _write_out(self, ready: Ready) -> None:
        """Has calls with floats alone answered by an entry for this signature."""
        order = iter(ready.outputs)
        code = _scalar_code(self._at + WORD, ready.table, ready.inputs, _replaced(self._results, order))
        self._code.append(code)
        _set(self._instance + self._at, code.address(SCALARS))

    def clear(self) -> None:
        """Forgets all shapes."""
        self._record[Record.FIRST] = 0
        self._plans = []
        self.shapes.clear()

    def _make_room(self, needed: int) -> None:
        """Lets the workspace have `needed` bytes, unless that is too much to keep or a call works in it."""
        if self._record[Record.WORKSPACE_BYTES] < needed <= LARGEST_WORKSPACE and not self._record[Record.BUSY]:
            memory = np.empty(max(needed, 2 * self._record[Record.WORKSPACE_BYTES]), np.uint8)
            self._workspace = [memory]
            self._record[Record.WORKSPACE] = memory.ctypes.data
            self._record[Record.WORKSPACE_BYTES] = memory.size


def entry(
    instance: object, method: str, names: Sequence[str], arguments: Sequence[Tree], results: Tree
) -> Entry | None:
    """An `Entry`, or None where there can be none: in other interpreters, for structures of classes of their own, and
    for so many arguments that the stack might not hold them."""
    branches = [*arguments, results]
    if not supported() or not all(map(_usual, branches)):
        return None
    steps = [step for tree in branches for step in _steps(tree)]
    axes = sum(leaf.rank for what, leaf in steps if what == LEAF)
    if 8 * len(steps) + axes > MOST_WORDS:
        return None
    return Entry(instance, method, names, arguments, results)


_BRANCHES: dict[type, int] = {tuple: TUPLE, list: LIST, dict: DICT}


def _steps(tree: Tree) -> Iterator[tuple[int, Any]]:
    """Every part of `tree`, from the outermost inwards: what it is, and the part."""
    pending = [tree]
    while pending:
        part = pending.pop()
        yield _BRANCHES.get(type(part), LEAF), part
        if isinstance(part, dict | list | tuple):
            pending += reversed(part.values() if isinstance(part, dict) else part)


def _replaced(tree: Tree, leaves: Iterator[int]) -> Slots:
    """`tree`, of tuples, with numbers as leaves."""
    return tuple(_replaced(part, leaves) for part in tree) if isinstance(tree, tuple) else next(leaves)


def _usual(tree: Tree) -> bool:
    """Whether all branches are of the builtin classes themselves, and dicts have strings as keys."""
    return all(
        isinstance(part, ArrayType) if what == LEAF else what != DICT or all(type(key) is str for key in part)
        for what, part in _steps(tree)
    )


def _set(address: int, value: int) -> None:
    ctypes.c_void_p.from_address(address).value = value


__all__ = ["Entry", "Ready", "entry"]
