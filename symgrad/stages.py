"""What `Function.show` prints: the formula at each stage on its way to machine code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .compiler.tape import print_tape
from .compiler.text import print_program
from .errors import ArgumentError
from .expression import constant_value, symbol_name
from .graph import Node, postorder
from .machine import Machine, Version

if TYPE_CHECKING:
    from .compiler.kernel import Kernel

STAGES = ("graph", "program", "loops", "llvm", "asm")


def text_of_stage(machine: Machine, labels: Sequence[str], stage: str) -> str:
    """The text of `stage`, one of STAGES; for sizes that depend on a call, those of the hint or typical ones."""
    if stage not in STAGES:
        raise ArgumentError(f"show: there is no stage {stage!r}; use one of {', '.join(STAGES)}")
    if stage == "graph":
        return text_of_graph(machine.canonical)
    version = machine.version({})
    match stage:
        case "program" if machine.tape is not None:
            return print_tape(machine.tape)
        case "program":
            return _names(machine, labels) + print_program(version.lowered.program)
        case "loops":
            return _names(machine, labels) + made(version).loops
        case "llvm":
            return made(version).llvm
        case _:
            return made(version).assembly


def made(version: Version) -> Kernel:
    """The kernel of a version that was compiled here, not found on disk."""
    from .compiler.kernel import Kernel

    assert isinstance(version.kernel, Kernel)
    return version.kernel


def _names(machine: Machine, labels: Sequence[str]) -> str:
    """Which numbered name stands for which of the user's."""
    version: Version = machine.version({})
    pairs = [f"{new} = {label}" for (new, _), label in zip(version.lowered.program.inputs, labels, strict=False)]
    pairs += [f"{new} = {old}" for old, new in machine.planned.sizes.items()]
    return f"# {', '.join(pairs)}\n" if pairs else ""


def text_of_graph(roots: Sequence[Node]) -> str:
    """One line per node below `roots`, in topological order."""
    names: dict[Node, str] = {}
    lines: list[str] = []
    for x in postorder(roots):
        if x.op.name == "symbol":
            names[x] = symbol_name(x)
        elif x.op.name == "constant" and not x.type.shape:
            names[x] = repr(constant_value(x).item())
        else:
            names[x] = f"v{len(lines)}"
            lines.append(f"{names[x]}: {x.type} = {_right_side(x, [names[i] for i in x.inputs])}")
    return "\n".join([*lines, f"return {', '.join(names[root] for root in roots)}", ""])


def _right_side(x: Node, inputs: Sequence[str]) -> str:
    if x.op.name == "constant":
        return "constant"
    if x.op.name == "einsum":
        labels, out, _ = x.params
        spelled = ",".join(map(_letters, labels))
        return f"einsum({spelled}->{_letters(out)}; {', '.join(inputs)})"
    return f"{x.op.name}({', '.join([*inputs, *(f'{p}' for p in x.params)])})"


def _letters(labels: object) -> str:
    return "".join(chr(ord("i") + k) if k < 18 else f"{{{k}}}" for k in labels)  # type: ignore[attr-defined]


__all__ = ["STAGES", "text_of_graph", "text_of_stage"]
