"""Shapes of the symbols of a formula that declares none, guessed from how they are used.

Only ``@``, the transpose and functions of linear algebra make a name an array; then a capital is a matrix and any
other letter a vector, as textbooks write, unless the function says more.  Sizes that meet in a product, a sum or a
square matrix are one size.  It is a convenience for a command line: what was guessed must be shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .build import parse_type
from .compiler.types import ArrayType, Dim, names
from .expression import FUNCTIONS
from .parser import CONSTANTS
from .parser_grammar import read
from .parser_steps import Call, Formula, Step

MATRICES = frozenset({
    "inv", "det", "logdet", "slogdet", "trace", "tr", "cholesky", "eigh", "eigvalsh", "expm", "logm", "solve",
    "solve_triangular", "matrix_power", "pinv", "lstsq", "qr", "svd", "svdvals", "kron",
})  # fmt: skip
"""Functions whose first argument is a matrix."""
SQUARE = MATRICES - {"pinv", "lstsq", "qr", "svd", "svdvals", "kron"}
ARRAYS = frozenset(
    {"norm", "dot", "outer", "inner", "vdot", "matmul", "diag", "diagonal", "transpose", "softmax", "logsumexp"}
)
"""Functions whose arguments are arrays of at least one axis."""
TO_SCALAR = frozenset({
    "sum", "mean", "prod", "max", "min", "norm", "det", "logdet", "trace", "tr", "std", "var", "logsumexp", "vdot",
    "all", "any", "median", "cross_entropy",
})  # fmt: skip
SAME = frozenset({"inv", "expm", "logm", "cholesky", "softmax", "log_softmax", "softmax_rest", "matrix_power"})

Shape = tuple[int, ...]
"""One number per axis: that of its size in `_Sizes`."""


def inferred_shapes(text: str, /, **shapes: Any) -> dict[str, str]:
    """A shape for every name of the formula `text`, in order of appearance behind those that `shapes` gives, in the
    notation of `parse`: ``parse(text, **inferred_shapes(text))``.  Raises ParseError.

    >>> inferred_shapes("x' @ A @ x")
    {'x': 'n', 'A': 'n,n'}
    """
    formula = read(text)
    given = {name: parse_type(shape) for name, shape in shapes.items()}
    used = [name for name in _names(formula) if name not in given]
    guess = _Guess(given, _ranks(formula, used))
    guess.formula(formula)
    taken = {str(step.payload) for step in _steps(formula, "name")}
    return {**{name: _notation(t) for name, t in given.items()}, **guess.notations(taken)}


def _notation(t: ArrayType) -> str:
    sizes = ",".join(map(str, t.shape))
    return sizes if t.dtype == "f64" else f"{t.dtype}[{sizes}]"


def _steps(formula: Formula, kind: str) -> Iterable[Step]:
    return (step for part in formula.parts() for step in part if step.kind == kind)


def _names(formula: Formula) -> list[str]:
    """Names that are neither constants, functions nor defined, in order of appearance."""
    found = dict.fromkeys(str(step.payload) for step in _steps(formula, "name"))
    return [n for n in found if n not in CONSTANTS and n not in formula.definitions and n not in FUNCTIONS]


# ---- which names are arrays


def _ranks(formula: Formula, used: list[str]) -> dict[str, int]:
    """The number of axes of each name: those below ``@``, ``'`` or a function of arrays have at least one."""
    found = dict.fromkeys(used, 0)
    for part in formula.parts():
        stack: list[frozenset[str]] = []
        for step in part:
            args = stack[len(stack) - step.arity :]
            del stack[len(stack) - step.arity :]
            for name in _arrays(step, args):
                if name in found:
                    capital = name.lstrip("_")[:1].isupper()
                    found[name] = max(found[name], 2 if capital or _wants_matrix(step, name, args) else 1)
            stack.append(_carried(step, args))
    return found


def _arrays(step: Step, args: list[frozenset[str]]) -> frozenset[str]:
    """Names that must be arrays because of this step."""
    if step.kind == "binary" and step.payload == "@":
        return args[0] | args[1]
    if isinstance(step.payload, Call):
        name = step.payload.name
        if step.kind == "method" or name in ARRAYS:
            return (
                frozenset().union(*args)
                if name in ("outer", "inner", "dot", "vdot", "matmul")
                else args[0]
                if args
                else frozenset()
            )
        if name in MATRICES and args:
            return args[0] | args[1] if name in ("solve", "lstsq") and len(args) > 1 else args[0]
    return frozenset()


def _wants_matrix(step: Step, name: str, args: list[frozenset[str]]) -> bool:
    return isinstance(step.payload, Call) and step.payload.name in MATRICES and name in args[0]


def _carried(step: Step, args: list[frozenset[str]]) -> frozenset[str]:
    """The one name of which the value of a step is a multiple or a transpose, so that what the value must be, it
    must be."""
    if step.kind == "name":
        return frozenset({str(step.payload)})
    if step.kind == "unary" or (isinstance(step.payload, Call) and step.payload.name in ("transpose", *SAME)):
        return args[0] if args else frozenset()
    if step.kind == "binary" and step.payload in ("+", "-"):
        return args[0] | args[1]
    return frozenset()


# ---- which sizes are equal


@dataclass
class _Sizes:
    """Sizes as classes of equal numbers, some of which are known."""

    parent: list[int] = field(default_factory=list)
    known: dict[int, Dim] = field(default_factory=dict)

    def new(self, value: Dim | None = None) -> int:
        """A size of its own."""
        self.parent.append(len(self.parent))
        if value is not None:
            self.known[self.parent[-1]] = value
        return self.parent[-1]

    def find(self, k: int) -> int:
        """The representative of a class."""
        while self.parent[k] != k:
            k = self.parent[k] = self.parent[self.parent[k]]
        return k

    def join(self, a: int, b: int) -> None:
        """Makes two sizes equal, unless both are known or one is 1."""
        a, b = self.find(a), self.find(b)
        if a == b or (a in self.known and b in self.known) or 1 in (self.known.get(a), self.known.get(b)):
            return
        if b in self.known:
            a, b = b, a
        self.parent[b] = a


class _Guess:
    """Runs a formula's steps on shapes, joining sizes that must agree; None is a shape of which nothing is known."""

    def __init__(self, given: dict[str, ArrayType], ranks: dict[str, int]) -> None:
        self.sizes = _Sizes()
        self.shapes: dict[str, Shape | None] = {}
        self.guessed = list(ranks)
        self.taken = {n for t in given.values() for size in t.shape for n in names(size)}
        shared: dict[Dim, int] = {}
        for name, type_ in given.items():
            self.shapes[name] = tuple(shared.setdefault(n, self.sizes.new(n)) for n in type_.shape)
        for name, rank in ranks.items():
            self.shapes[name] = tuple(self.sizes.new() for _ in range(rank))

    def formula(self, formula: Formula) -> None:
        """Runs all parts: defined names first as unknown, then with what was found."""
        for name in formula.definitions:
            self.shapes.setdefault(name, None)
        for _ in range(len(formula.definitions) + 1 if len(formula.definitions) < 20 else 2):
            for name, steps in formula.definitions.items():
                self.shapes[name] = self.run(steps)
            self.run(formula.steps)

    def run(self, steps: list[Step]) -> Shape | None:
        """The shape that `steps` leave."""
        stack: list[Shape | None] = []
        for step in steps:
            args = stack[len(stack) - step.arity :]
            del stack[len(stack) - step.arity :]
            stack.append(self.step(step, args))
        return stack[0]

    def step(self, step: Step, args: list[Shape | None]) -> Shape | None:
        if step.kind == "name":
            return self.shapes.get(str(step.payload), ())
        if step.kind == "value":
            return ()
        if step.kind == "unary":
            return args[0]
        if step.kind == "binary":
            return self.product(args[0], args[1]) if step.payload == "@" else self.together(args)
        if step.kind in ("compare", "conditional"):
            return self.together(args)
        return self.call(step.payload, args) if isinstance(step.payload, Call) else None

    def product(self, a: Shape | None, b: Shape | None) -> Shape | None:
        if not a or not b:
            return None
        self.sizes.join(a[-1], b[-2] if len(b) > 1 else b[-1])
        return a[:-1] + (b[-1:] if len(b) > 1 else ())

    def together(self, shapes: list[Shape | None]) -> Shape | None:
        """Elementwise: sizes of the same axis, counted from the right, are equal."""
        known = [s for s in shapes if s is not None]
        longest: Shape = max(known, key=len, default=())
        for s in known:
            for a, b in zip(reversed(s), reversed(longest), strict=False):
                self.sizes.join(a, b)
        return longest if len(known) == len(shapes) else None

    def call(self, call: Call, args: list[Shape | None]) -> Shape | None:
        x = args[0] if args else ()
        name = call.name
        if name in SQUARE and x is not None and len(x) >= 2:
            self.sizes.join(x[-1], x[-2])
        if name == "transpose" and len(args) == 1:
            return None if x is None else x[::-1]
        if name in TO_SCALAR and len(args) == 1:
            return ()
        if name in ("dot", "matmul", "inner", "vdot") and len(args) == 2:
            return self.product(args[0], args[1])
        if name == "solve" and len(args) == 2 and x and args[1]:
            self.sizes.join(x[-1], args[1][-2] if len(args[1]) > 1 else args[1][-1])
            return args[1]
        if name == "outer" and len(args) == 2 and x and args[1]:
            return (x[-1], args[1][-1])
        if name == "diag" and x:
            return (x[0], x[0]) if len(x) == 1 else x[:1]
        if name in SAME or (len(args) == 1 and name not in MATRICES and name not in ARRAYS):
            return x
        return None

    def notations(self, taken: set[str]) -> dict[str, str]:
        """The guessed shapes as text, with names for sizes that nothing else is called."""
        free = (n for n in self.pool() if n not in taken | self.taken)
        chosen = {k: str(n) for k, n in self.sizes.known.items()}
        result = {}
        for name in self.guessed:
            roots = [self.sizes.find(k) for k in self.shapes[name] or ()]
            for root in roots:
                if root not in chosen:
                    chosen[root] = next(free)
            result[name] = ",".join(chosen[root] for root in roots)
        return result

    def pool(self) -> Iterable[str]:
        """Names for sizes: n where there is one, m and n where there are two, as people write."""
        open_sizes = {
            self.sizes.find(k) for name in self.guessed for k in self.shapes[name] or ()
        } - self.sizes.known.keys()
        yield from "nm" if len(open_sizes) == 1 else "mn"
        yield from "pqrstuvkl"
        yield from (f"n{k}" for k in count())


__all__ = ["inferred_shapes"]
