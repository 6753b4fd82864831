"""Kernels of tapes: their machine code is made piece by piece, with LLVM's effort chosen by size.

The quick code generator takes a fifth of the optimising one's time per instruction and gives straight-line code that
runs nearly as fast: there are no loops to improve, and the values that matter stay in registers within a piece.
"""

from __future__ import annotations

from .cache import kept
from .index import Program
from .kernel import Kernel
from .llvm.jit import PASSES, Code, Target, assembly, determinants, host, object_code
from .llvm.pieces import entry_text, mathematics_text, pieces_text
from .loops import Schedule
from .tape import Tape, check, cut
from .types import ArrayType

SHORT = 3000
"""Tapes of up to so many instructions are made by LLVM's optimising code generator."""
PIECE, QUICK_PIECE = 400, 200
"""The instructions of a function: optimising costs more per instruction in larger ones."""
MODULE = 50_000
"""The instructions that LLVM holds in memory at a time."""
VALUES = "values"
SCALAR = ArrayType("f64")


def compile_tape(tape: Tape, target: Target | None = None) -> TapeKernel:
    """A kernel that computes `tape`: its inputs and outputs are arrays without axes.

    For another `target` than this machine it can be looked at but not called.  Raises ValueError for what is not a
    tape."""
    check(tape)
    return TapeKernel(tape, target or host())


class TapeKernel(Kernel):
    """Machine code for a tape, called like that of a program."""

    def __init__(self, tape: Tape, target: Target) -> None:
        self.tape, self.threads, self.target = tape, 1, target
        short = len(tape) <= SHORT
        self._level = 2 if short else 0
        self._pieces = cut(tape, PIECE if short else QUICK_PIECE)
        inputs = {f"x{k}": SCALAR for k in range(tape.inputs)}
        outputs = {f"y{k}": SCALAR for k in range(len(tape.outputs))}
        self.program = Program(tuple(inputs.items()), (), ())
        arrays = {**inputs, **outputs, VALUES: ArrayType("f64", (max(1, self._pieces.size),))}
        self.schedule = Schedule(arrays, {}, tuple(inputs), tuple(outputs), (), (), (), (), ())
        self._uses_blas = False
        self._prepare(((1, len(tape)),))
        if target == host():
            self._load()

    def _load(self) -> None:
        files = [self._object(text, self._level, ()) for text in self._texts()]
        mathematics = self._object(self._mathematics(), 2, PASSES)
        entry = self._object(entry_text(self.tape, self._pieces), 0, ())
        self._start(Code(entry, {}, None, [mathematics, *files]))

    def _object(self, text: str, level: int, passes: tuple[str, ...]) -> bytes:
        facts = (*determinants(text, self.target, level), *passes)
        return kept(facts, lambda: object_code(text, self.target, level, passes))

    def _texts(self) -> list[str]:
        """The modules of the pieces."""
        count = len(self._pieces.starts) - 1
        step = MODULE // (PIECE if self._level else QUICK_PIECE)
        how = self._lanes, self.target.attributes
        return [pieces_text(self.tape, self._pieces, k, min(k + step, count), *how) for k in range(0, count, step)]

    def _mathematics(self) -> str:
        return mathematics_text(self.tape, self._lanes, self.target.attributes)

    @property
    def _lanes(self) -> int:
        return self.target.vector_bytes // 8

    @property
    def loops(self) -> str:
        """The number of instructions and how they are cut."""
        return f"tape of {len(self.tape)} instructions in {len(self._pieces.starts) - 1} pieces\n"

    @property
    def llvm(self) -> str:
        """The modules, one behind the other."""
        return "\n".join(self._all())

    @property
    def optimized(self) -> str:
        """The same: no passes are run."""
        return self.llvm

    @property
    def assembly(self) -> str:
        """The machine code as text."""
        return "\n".join(assembly(text, self.target, self._level) for text in self._all())

    def _all(self) -> list[str]:
        return [*self._texts(), self._mathematics(), entry_text(self.tape, self._pieces)]


__all__ = ["TapeKernel", "compile_tape"]
