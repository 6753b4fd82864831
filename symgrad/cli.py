"""The command `symgrad`: derivatives of formulas typed into a terminal.

Exit status: 0 for an answer, 1 where the answer is no (`check` and `same` found a difference), 2 for a formula or an
option that means nothing; then standard error says what was wrong, with carets under the formula.  What was inferred of
shapes goes to standard error too, so that standard output holds the result alone and can be piped.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .compiler.types import evaluate, names
from .errors import ArgumentError, SymgradError
from .expression import Expr
from .parser import parse
from .parser_shapes import inferred_shapes

EXAMPLES = """examples:
  symgrad grad "x' @ A @ x" --wrt x
  symgrad grad "sum(log(1 + exp(-y*(X @ w))))" --wrt w --latex
  symgrad hessian "sin(x)*exp(-x**2)"
  symgrad jacobian "A @ x" --wrt x --python
  symgrad grad "sum((X @ w - y)**2)" --shapes X=m,n w=n y=m --wrt w --c
  symgrad explain "log(1 + exp(a*x))" --wrt x
  symgrad check "log(1 + exp(x))" --at x=2
  symgrad compile "x**3 - 2*x" --at x=1.5
  symgrad same "1/(1 + exp(-x))" "sigmoid(x)"
  echo "norm(x - a)" | symgrad grad - --shapes x=n a=n --wrt x
  symgrad grad formula.txt --wrt w

exit status: 0 for an answer, 1 if check or same says no, 2 for a formula or an option that means nothing"""
FORMULA = "the formula; the name of a file that holds it; or - for standard input"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process); the exit status."""
    chosen = vars(_parser().parse_args(arguments))
    try:
        status: int = chosen.pop("run")(**chosen)
        sys.stdout.flush()
    except SymgradError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="symgrad", description="Derivatives as formulas and as machine code.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--version", action="version", version=f"symgrad {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, what in (("grad", "the gradient of a scalar formula"), ("hessian", "its second derivatives"),
                       ("jacobian", "all first derivatives of a formula of any shape"),
                       ("simplify", "the formula itself in its shortest form")):  # fmt: skip
        command = _formula_command(commands, name, what, derivative)
        command.set_defaults(kind=name)
        command.add_argument("--raw", action="store_true", help="do not simplify")
        shown = command.add_mutually_exclusive_group()
        for form, meaning in (("latex", "as LaTeX"), ("python", "as a NumPy function"), ("c", "as a C99 function")):
            shown.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=meaning)
    command = _formula_command(commands, "explain", "how the gradient comes about, step by step", explain)
    command.add_argument("--latex", action="store_true", help="as LaTeX")
    for name, what, run in (("check", "the compiled gradient against 50 digits", check),
                            ("compile", "machine code for the value and gradient", compile_)):  # fmt: skip
        command = _formula_command(commands, name, what, run)
        command.add_argument("--at", nargs="+", action="extend", default=[], metavar="NAME=VALUE",
                             help="values of symbols: x=1.5 X=[[1,2],[3,4]] w=weights.npy")  # fmt: skip
    command = commands.add_parser("same", help="whether two formulas are equal")
    command.add_argument("first", metavar="FORMULA")
    command.add_argument("second", metavar="FORMULA")
    _shapes_option(command)
    command.set_defaults(run=same)
    commands.add_parser("demo", help="show symgrad at work on Fisher's Iris data").set_defaults(run=demo)
    command = commands.add_parser("cache", help="show how much compiled code is kept on disk, and where")
    command.add_argument("--clear", action="store_true", help="remove it")
    command.set_defaults(run=cache)
    return parser


def _formula_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str, run: Callable[..., int]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=what[0].upper() + what[1:] + ".", epilog=_examples(name),
        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    command.add_argument("formula", metavar="FORMULA", help=FORMULA)
    command.add_argument("--wrt", metavar="NAME", help="the variable; may be left out where there is one symbol")
    _shapes_option(command)
    command.set_defaults(run=run)
    return command


def _examples(name: str) -> str:
    own = [line for line in EXAMPLES.splitlines() if f"symgrad {name} " in line]
    return "\n".join(["examples:", *own]) if own else ""


def _shapes_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--shapes", nargs="+", action="extend", default=[], metavar="NAME=SIZES",
                         help="shapes of symbols: X=m,n w=n lam= Z=f32[m,3]; others are inferred")  # fmt: skip


# ---- commands

def derivative(formula: str, kind: str, wrt: str | None, shapes: list[str], raw: bool, form: str | None) -> int:
    """Print a derivative."""
    f = read_formula(formula, shapes)
    found = f if kind == "simplify" else getattr(f, kind)(wrt)
    found = found.canonical() if raw else found.simplify()
    print(str(found) if form is None else getattr(found, form)())
    for assumed in getattr(found, "assumptions", ()):
        print(f"assuming {assumed}", file=sys.stderr)
    return 0


def explain(formula: str, wrt: str | None, shapes: list[str], latex: bool) -> int:
    """Print the derivation of a gradient."""
    found = read_formula(formula, shapes).explain(wrt)
    print(found.latex() if latex else found)
    return 0


def check(formula: str, wrt: str | None, shapes: list[str], at: list[str]) -> int:
    """Print a certificate of the compiled derivatives, at given or at random values."""
    from .api import compile

    f = read_formula(formula, shapes)
    values = _values(f, at, draw=True)
    found = compile(f, wrt=wrt).check(**values)
    print(found)
    return 0 if found else 1


def compile_(formula: str, wrt: str | None, shapes: list[str], at: list[str]) -> int:
    """Compile a formula; print how it is called, how long that took, and the results at given values."""
    from time import perf_counter

    from .api import compile

    f = read_formula(formula, shapes)
    start = perf_counter()
    function = compile(f, wrt=wrt)
    values = _values(f, at, draw=not at)
    result = function(**values)
    if at:
        print(f"value: {result}")
        if not f.ndim:
            print(f"gradient: {function.grad(**values)}")
    order = ", ".join(p.name for p in function.formula.parameters)
    print(f"f({order}), compiled in {(perf_counter() - start) * 1e3:.0f} ms", file=sys.stderr)
    return 0


def same(first: str, second: str, shapes: list[str]) -> int:
    """Print whether two formulas are equal."""
    from .equality import same as equal

    verdict = equal(read_formula(first, shapes, second), second)
    print(verdict)
    return 0 if verdict else 1


def demo() -> int:
    """Print the demo."""
    from .demo import run

    run()
    return 0


def cache(clear: bool) -> int:
    """Print what the cache of compiled code holds; with `clear`, remove it."""
    from .compiler import cache as store

    held = store.clear() if clear else store.contents()
    if held.path is None:
        print("no directory for compiled code: set SYMGRAD_CACHE_DIR")
        return 0
    removed = " removed" if clear else ""
    print(f"{held.path}: {held.entries} entries of compiled code, {held.bytes / 1e6:.1f} MB{removed}")
    return 0


# ---- what commands are given

def read_formula(source: str, shapes: Sequence[str], beside: str = "") -> Expr:
    """The formula that `source` is, names or stands for, with the shapes given and inferred; prints the inferred
    ones.  Shapes may be given of symbols of the formula `beside` it, too."""
    text = text_of(source)
    given = dict(_pair(item, "--shapes X=m,n") for item in shapes)
    found = inferred_shapes(text, **given)
    strangers = [name for name in given if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", f"{text} {beside}")]
    if strangers:
        raise ArgumentError(f"--shapes: {', '.join(strangers)} does not stand in the formula {text.strip()}")
    inferred = {name: shape for name, shape in found.items() if name not in given}
    if any(inferred.values()):
        shown = ", ".join(f"{name} {_described(shape)}" for name, shape in inferred.items())
        print(f"inferred: {shown}", file=sys.stderr)
    return parse(text, **found)


def text_of(source: str) -> str:
    """A formula as it was typed, or from standard input or a file.  Raises ArgumentError for a file that cannot be
    read."""
    if source == "-":
        return sys.stdin.read().strip()
    path = Path(source)
    try:
        if len(source) < 1000 and path.is_file():
            return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"cannot read the formula in {source}: {error}") from None
    return source


def _described(shape: str) -> str:
    if not shape:
        return "is a scalar"
    sizes = shape.split(",")
    return f"is a {'vector' if len(sizes) == 1 else 'matrix'} ({' × '.join(sizes)})"


def _pair(item: str, like: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ArgumentError(f"{item!r} does not say what is meant: write it like {like}")
    return name.strip(), value.strip()


def _values(f: Expr, at: Sequence[str], *, draw: bool) -> dict[str, Any]:
    """The values of the symbols as `at` gives them; with `draw`, random numbers for the others."""
    given = {name: _value(name, text) for name, text in (_pair(item, "--at x=1.5") for item in at)}
    for name in given:
        if name not in f.symbols:
            raise ArgumentError(f"--at: {name} is not a symbol of the formula, which has {', '.join(f.symbols)}")
    if not draw:
        return given
    rng = np.random.default_rng(0)
    sizes: dict[str, int] = {}
    for name, value in given.items():
        for n, size in zip(f.symbols[name].shape, np.shape(value), strict=False):
            if str(n).isidentifier():
                sizes[str(n)] = size
    for name, x in f.symbols.items():
        if name not in given:
            shape = [evaluate(n, {k: sizes.get(k, 3) for k in names(n)}) for n in x.node.type.shape]
            floats = rng.uniform(0.5, 1.5, shape)
            given[name] = floats if x.dtype.startswith("f") else rng.integers(0, 2, shape)
    return given


def _value(name: str, text: str) -> Any:
    if text.endswith(".npy"):
        try:
            return np.load(text)
        except (OSError, ValueError) as error:
            raise ArgumentError(f"--at {name}: {error}") from None
    try:
        return np.asarray(ast.literal_eval(text), dtype=float)
    except (ValueError, SyntaxError, TypeError):
        raise ArgumentError(f"--at {name}: {text!r} is no number, list of numbers or .npy file") from None
