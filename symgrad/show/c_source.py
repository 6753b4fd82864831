"""A formula as a C99 function that needs the standard library alone: loops over what the index language says of each
element, one statement of the program after the other.

A scalar formula of scalars becomes ``double f(double x, double y)``.  Otherwise the function takes the sizes, the
inputs (arrays row-major, scalars by value) and pointers to the results, and returns 0, or 1 if there is no memory for
temporaries.  Indices that are data are not checked.
"""

from __future__ import annotations

import itertools
import math
import re
import string
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..build import check_name
from ..compiler.index import Assign, Axis, AxisValue, Call, Const, Load, Program, Reduce, SizeValue
from ..compiler.index import Expr as Element
from ..compiler.scalars import kind, neutral, result_type
from ..compiler.types import ArrayType, Dim, FloorDiv, Max0, names, product
from ..errors import SymgradError
from ..expression import Expr, symbol_name, symbols_of
from ..graph import Node
from ..lowering import expand, lower
from ..planning import plan
from .c_scalars import ACCUMULATE, DEFINITIONS, FOLDED, RESERVED, TEMPLATES
from .text import text

TYPES = {"f64": "double", "f32": "float", "i64": "int64_t", "bool": "bool"}
ON_THE_STACK = 1024
"""Temporaries of so many elements, if their number is known, need no allocation."""


def c(value: Expr | Node | Sequence[Expr | Node], name: str = "f") -> str:
    """The source of a C99 function called `name`.  Raises SymgradError for operations that plain C does not have
    (factorisations, sorting, loops, Bessel functions)."""
    values = [value] if isinstance(value, Expr | Node) else list(value)
    given = [v.node if isinstance(v, Expr) else v for v in values]
    declared = [d for v in values if isinstance(v, Expr) for d in v.declared]
    symbols = list(dict.fromkeys([*declared, *symbols_of(given)]))
    lowered = lower(plan(expand(given)), symbols)
    writer = _Function(lowered.program, [symbol_name(x) for x in symbols], lowered.constants)
    source = writer.source(check_name(name, "function"), [lowered.program.outputs[k] for k in lowered.positions])
    shown = text(values).replace("*/", "* /")
    comment = "/* " + (shown if len(shown) < 2000 else shown[:2000] + " …").replace("\n", "\n   ") + " */"
    used = [_guarded(n, d) for n, d in DEFINITIONS.items() if re.search(rf"\b{n}\(", source)]
    head = [f"#include <{h}.h>" for h in ("math", "stdbool", "stdint", "stdlib")]
    return "\n".join([*head, "", *used, comment, source])


def _guarded(name: str, definition: str) -> str:
    """A definition that may stand in a file more than once."""
    guard = f"HAVE_{name.upper()}"
    return f"#ifndef {guard}\n#define {guard}\n{definition}\n#endif\n"


@dataclass(slots=True)
class _Function:
    """Writes one program; `names` are those of its arrays in C."""

    program: Program
    symbols: list[str]
    constants: tuple[np.ndarray[Any, Any], ...]
    names: dict[str, str] = field(default_factory=dict)
    types: dict[str, ArrayType] = field(default_factory=dict)
    taken: set[str] = field(default_factory=lambda: set(RESERVED))
    lines: list[str] = field(default_factory=list)
    axes: dict[str, str] = field(default_factory=dict)
    by_pointer: set[str] = field(default_factory=set)

    def source(self, name: str, outputs: Sequence[str]) -> str:
        """The whole function."""
        for statement in self.program.statements:
            if not isinstance(statement, Assign):
                what = getattr(statement, "function", "a loop")
                raise SymgradError(f"c: {what} has no equivalent in plain C")
        sizes = self._declare(name)
        single = len(outputs) == 1 and not any(t.shape for t in self.types.values())
        if not single:
            self._results(outputs)
        for statement in self.program.statements:
            assert isinstance(statement, Assign)
            self._statement(statement)
        parameters = [f"int64_t {self.names[n]}" for n in sizes] + [self._parameter(n) for n in self._inputs()]
        if single:
            returned = TYPES[self.types[outputs[0]].dtype]
            body = [*self.lines, f"return {self.names[outputs[0]]};"]
        else:
            returned = "int"
            parameters += [f"{TYPES[self.types[o].dtype]} *restrict {self.names[o]}" for o in dict.fromkeys(outputs)]
            allocated, body = self._temporaries(outputs)
            body += [*self.lines, *(f"free({n});" for n in allocated), "return 0;"]
        head = f"{returned} {name}({', '.join(parameters) or 'void'})"
        return f"{head} {{\n" + textwrap.indent("\n".join([*self._constants(), *body]), "    ") + "\n}\n"

    # ---- names

    def _declare(self, name: str) -> list[str]:
        """Names everything; the size names in their order."""
        self.taken.add(name)
        inputs = [n for n, _ in self.program.inputs]
        shown = [*self.symbols, *(f"c{k}" for k in range(len(self.constants)))]
        self.types = dict(self.program.inputs)
        for statement in self.program.statements:
            if isinstance(statement, Assign):
                self.types[statement.target] = statement.type
        sizes = sorted({n for t in self.types.values() for d in t.shape for n in names(d)} | set(self.program.sizes))
        for n in sizes:
            self.names[n] = self._fresh(n)
        for n, wanted in zip(inputs, shown, strict=True):
            self.names[n] = self._fresh(wanted)
        for n in self.types:
            if n not in self.names:
                self.names[n] = self._fresh(n)
        return sizes

    def _fresh(self, wanted: str) -> str:
        name = wanted if wanted.isascii() else "x"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _inputs(self) -> list[str]:
        return [n for n, _ in self.program.inputs[: len(self.symbols)]]

    def _results(self, outputs: Sequence[str]) -> None:
        distinct = list(dict.fromkeys(outputs))
        self.by_pointer = {o for o in distinct if not self.types[o].shape}
        for k, o in enumerate(distinct):
            self.names[o] = self._fresh("out" if len(distinct) == 1 else f"out{k}")

    # ---- declarations

    def _parameter(self, n: str) -> str:
        t = self.types[n]
        return f"const {TYPES[t.dtype]} *{self.names[n]}" if t.shape else f"{TYPES[t.dtype]} {self.names[n]}"

    def _constants(self) -> list[str]:
        lines = []
        for (n, t), array in zip(self.program.inputs[len(self.symbols) :], self.constants, strict=True):
            elements = ", ".join(literal(v.item(), t.dtype) for v in array.reshape(-1)) or "0"
            lines += textwrap.wrap(f"static const {TYPES[t.dtype]} {self.names[n]}[] = {{{elements}}};", 110)
        return lines

    def _temporaries(self, outputs: Sequence[str]) -> tuple[list[str], list[str]]:
        """The names to free, and the lines that declare and allocate."""
        given = {n for n, _ in self.program.inputs} | set(outputs)
        lines: list[str] = []
        allocated: list[str] = []
        for n, t in self.types.items():
            count = product(t.shape)
            if not t.shape or n in given:
                continue
            if isinstance(count, int) and count <= ON_THE_STACK:
                lines.append(f"{TYPES[t.dtype]} {self.names[n]}[{max(count, 1)}];")
            else:
                allocated.append(self.names[n])
                ctype = TYPES[t.dtype]
                lines.append(f"{ctype} *{self.names[n]} = malloc(sizeof({ctype})*(size_t)({self._size(count)} + 1));")
        if allocated:
            freed = " ".join(f"free({n});" for n in allocated)
            lines.append(f"if ({' || '.join(f'!{n}' for n in allocated)}) {{ {freed} return 1; }}")
        return allocated, lines

    # ---- statements

    def _statement(self, s: Assign) -> None:
        reduction = s.value if isinstance(s.value, Reduce) else None
        self.axes = {}
        for axis in (*s.axes, *(reduction.axes if reduction else ())):
            self.axes[axis.name] = self._index_name()
        if s.at is not None:
            self._clear(s)
        depth = self._open(s.axes, 0)
        if reduction:
            value = self._reduction(reduction, s, depth)
        else:
            assert not isinstance(s.value, Reduce)
            value = self._element(s.value)
        index = s.at if s.at is not None else tuple(AxisValue(a.name) for a in s.axes)
        target = self._place(s.target, index)
        if not s.type.shape and s.target not in self.by_pointer:
            self._line(depth, f"{TYPES[s.type.dtype]} {target} = {bare(value)};")
        elif s.at is not None and s.accumulate is not None:
            self._line(depth, _accumulated(s.accumulate, target, value, s.type.dtype) + ";")
        else:
            self._line(depth, f"{target} = {bare(value)};")
        self._close(depth)

    def _index_name(self) -> str:
        used = self.taken | set(self.axes.values())
        candidates: Iterator[str] = itertools.chain("ijklpq", (f"i{k}" for k in itertools.count()))
        return next(n for n in candidates if n not in used)

    def _open(self, axes: Sequence[Axis], depth: int) -> int:
        for a in axes:
            i = self.axes[a.name]
            self._line(depth, f"for (int64_t {i} = 0; {i} < {self._size(a.size)}; {i}++) {{")
            depth += 1
        return depth

    def _close(self, depth: int, until: int = 0) -> None:
        for d in range(depth - 1, until - 1, -1):
            self._line(d, "}")

    def _line(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def _clear(self, s: Assign) -> None:
        """The array as it is before a scatter."""
        start = literal(neutral(s.accumulate, s.type.dtype) if s.accumulate else 0, s.type.dtype)
        name, i = self.names[s.target], self._index_name()
        count = self._size(product(s.type.shape))
        self._line(0, f"for (int64_t {i} = 0; {i} < {count}; {i}++) {name}[{i}] = {start};")

    def _reduction(self, r: Reduce, s: Assign, depth: int) -> str:
        total = self._scratch("total")
        start = literal(neutral(r.op, s.type.dtype), s.type.dtype)
        self._line(depth, f"{TYPES[s.type.dtype]} {total} = {start};")
        inner = self._open(r.axes, depth)
        self._line(inner, _accumulated(r.op, total, self._element(r.body), s.type.dtype) + ";")
        self._close(inner, depth)
        if not s.axes:
            self.taken.add(total)
        return total

    def _scratch(self, wanted: str) -> str:
        name = wanted
        while name in self.taken:
            name += "_"
        return name

    # ---- expressions

    def _element(self, root: Element) -> str:
        """An element in C, without recursion."""
        done: list[str] = []
        stack: list[tuple[Element, bool]] = [(root, False)]
        kinds: list[str] = []
        while stack:
            e, ready = stack.pop()
            inner = _operands(e)
            if inner and not ready:
                stack += [(e, True), *((a, False) for a in reversed(inner))]
                continue
            count = len(inner)
            args, dtypes = done[len(done) - count :], kinds[len(kinds) - count :]
            del done[len(done) - count :], kinds[len(kinds) - count :]
            shown, dtype = self._one(e, args, dtypes)
            done.append(shown)
            kinds.append(dtype)
        return done[0]

    def _one(self, e: Element, args: list[str], dtypes: list[str]) -> tuple[str, str]:
        match e:
            case Const(value, dtype):
                return literal(value, dtype), dtype
            case AxisValue(name):
                return self.axes[name], "i64"
            case SizeValue(size):
                return self._size(size), "i64"
            case Load(array, _):
                return self._at(array, args), self.types[array].dtype
            case Call(op, _):
                return scalar(op, args, dtypes), result_type(op, dtypes)

    def _place(self, array: str, index: Sequence[Element]) -> str:
        return self._at(array, [self._element(i) for i in index])

    def _at(self, array: str, index: Sequence[str]) -> str:
        """An element of an array in row-major order."""
        name = self.names[array]
        shape = self.types[array].shape
        if not shape:
            return f"*{name}" if array in self.by_pointer else name
        flat = index[0]
        for i, n in zip(index[1:], shape[1:], strict=True):
            flat = f"({flat})*{self._size(n)} + {i}" if " " in flat else f"{flat}*{self._size(n)} + {i}"
        return f"{name}[{flat}]"

    def _size(self, n: Dim) -> str:
        """A size in C, in parentheses unless it is a name or a number."""
        if isinstance(n, int):
            return str(n) if n >= 0 else f"({n})"
        parts = []
        for monomial, k in n.terms:
            factors = [] if k == 1 and monomial else [str(k)]
            for atom, power in monomial:
                factors += [self._atom(atom)] * power
            parts.append("*".join(factors))
        shown = " + ".join(parts)
        return shown if shown.isidentifier() else f"({shown})"

    def _atom(self, atom: str | FloorDiv | Max0) -> str:
        if isinstance(atom, str):
            return self.names[atom]
        if isinstance(atom, FloorDiv):
            return f"integer_quotient({self._size(atom.numerator)}, {self._size(atom.denominator)})"
        return f"larger_integer(0, {self._size(atom.argument)})"


def _operands(e: Element) -> tuple[Element, ...]:
    return e.args if isinstance(e, Call) else e.index if isinstance(e, Load) else ()


def bare(text: str) -> str:
    """An expression without parentheses around the whole of it."""
    depth = 0
    for k, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and k < len(text) - 1:
            return text
    return text[1:-1] if text.startswith("(") else text


def literal(value: float | int | bool, dtype: str) -> str:
    """A constant in C that has exactly this value."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype == "i64":
        if value == -(2**63):
            return "INT64_MIN"
        shown = str(int(value)) if abs(int(value)) < 2**31 else f"INT64_C({int(value)})"
        return f"({shown})" if shown.startswith("-") else shown
    if not math.isfinite(value):
        return "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "(-INFINITY)"
    shown = repr(float(value))
    return f"({shown})" if shown.startswith("-") else shown


def scalar(op: str, args: Sequence[str], dtypes: Sequence[str]) -> str:
    """A scalar instruction on operands in C.  Raises SymgradError if C99 does not have it."""
    if op in FOLDED:
        return "(" + f" {FOLDED[op]} ".join(args) + ")"
    own = kind(dtypes[-1] if op in ("where", "mask") else dtypes[0])
    template = TEMPLATES.get(f"{op}.{own}", TEMPLATES.get(op))
    if template is None:
        raise SymgradError(f"c: {op} is not a function of C99")
    if "{all}" in template:
        return template.format(all=", ".join(args))
    shown = template.format(*args)
    places = {f for _, f, _, _ in string.Formatter().parse(template) if f is not None}
    for extra in args[len(places) :]:
        shown = template.format(shown, extra)
    return shown


def _accumulated(op: str, target: str, value: str, dtype: str) -> str:
    """The statement that combines `value` into `target`."""
    if op in ACCUMULATE:
        return ACCUMULATE[op].format(target, value)
    return f"{target} = {scalar(op, [target, value], [dtype, dtype])}"
