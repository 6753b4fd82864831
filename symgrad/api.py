"""`compile` and `evaluate`: formulas to functions, and formulas to numbers without compiling."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import interpreter
from .arguments import Parameter, Signature, parameters_of, suggestion
from .broadcasting import over_points, spread
from .compiler.types import is_float
from .conditions import conditions, counted
from .element_types import element_type
from .errors import ArgumentError
from .expression import Expr, Source, check_names, lift, symbol_name, symbols_of
from .formula import Formula, fresh
from .function import Function
from .graph import Node, orders_kept
from .machine import Options
from .rewrite.canonical import canonicalise
from .specialise import retyped, size_names
from .trees import is_tree, leaves, mapped, rebuilt

if TYPE_CHECKING:
    from .compiler.llvm.jit import Target


@orders_kept()
def compile(
    outputs: Any,
    *,
    wrt: Any = None,
    inputs: Any = None,
    dtype: Any = None,
    sizes: Mapping[str, int] | None = None,
    threads: int | None = None,
    target: Target | None = None,
    wait: bool = True,
    verbose: bool | None = None,
) -> Any:
    """`outputs`, an expression or a structure (list, tuple, dict) of them, as a compiled `Function`; a `SparseMatrix`
    as a `SparseFunction`, a `CompressedHessian` as a `CompressedFunction`.

    The function takes the variables `wrt` first and then the other symbols in the order of their declaration, or
    exactly `inputs`.  Symbols are given as such or by name; `wrt` and `inputs` also as a tuple or list; in `inputs`
    a pair ``(name, structure of symbols)`` stands for one argument that is nested.  `wrt` says what derivatives are
    taken with respect to: for a tuple they are tuples; for a dict of symbols the first argument, called params, is such
    a dict, and so are they.  `dtype` "f32" or "f64" computes in that type.  `sizes` are likely numbers for size names,
    by which products are ordered; without them each call's own sizes are.  At most `threads` threads work on a call,
    fewer where they would not pay off (default: as many as there are processors); results have the same bits for any
    number.  `target` makes code for another machine, to be looked at with `show`.

    The first call compiles.  Without `wait` it does so in the background, and until the code is there calls are
    answered by NumPy, node by node, with results that agree within rounding; `Function.finish` waits after all.  (LLVM
    works on one thing at a time in a process.)  While building takes longer than a second, a bar is shown on a
    terminal or in a notebook; always or never as `verbose` says.

    Several outputs share their work and are given in the structure in which they came.  Raises ArgumentError.
    """
    _check_threads(threads)
    options = Options(target, tuple(sorted((sizes or {}).items())), threads, wait, verbose)
    matrix = _matrix_function(outputs, options)
    if matrix is not None:
        if (wrt, inputs, dtype) != (None, None, None):
            kind = type(matrix).__name__.removesuffix("Function").lower()
            raise ArgumentError(
                f"compile: a {kind} matrix takes no wrt, inputs or dtype; its arguments are its symbols"
            )
        return matrix
    tree = mapped(_expression, outputs)
    exprs = [e for _, e in leaves(tree)]
    if not exprs:
        raise ArgumentError("compile: there is nothing to compile (an empty structure)")
    arguments = _arguments(exprs, inputs)
    nodes, arguments = _in_dtype([e.node for e in exprs], arguments, dtype)
    if isinstance(wrt, dict):
        arguments, wrt = _gathered(arguments, wrt, inputs)
    names = None if wrt is None else _variable_names(wrt, [p.name for p in arguments])
    if names is not None and inputs is None:
        arguments.sort(key=lambda p: names.index(p.name) if p.name in names else len(names))
    structure = rebuilt(tree, iter(nodes))
    _check_sizes(sizes or {}, [*nodes, *(x for p in arguments for x in p.symbols)])
    texts = _sources(exprs, dtype)
    formula = Formula(structure, tuple(arguments), names, isinstance(wrt, tuple | list), sources=texts)
    return Function(formula, options)


def _matrix_function(outputs: Any, options: Options) -> Any:
    """The function of a sparse or compressed matrix; None for other outputs.

    There is no such matrix before its module is loaded, and most programs never load it."""
    for name, given, made in _MATRICES:
        module = sys.modules.get(f"{__package__}.{name}")
        if module is not None and isinstance(outputs, getattr(module, given)):
            return getattr(module, made)(outputs, options)
    return None


_MATRICES = (
    ("sparse_function", "SparseMatrix", "SparseFunction"),
    ("compressed", "CompressedHessian", "CompressedFunction"),
)


def _sources(exprs: Sequence[Expr], dtype: Any) -> tuple[Source, ...]:
    """The texts that `exprs` came from, as they mean what is computed in `dtype`."""
    given = tuple(e.source for e in exprs if e.source is not None)
    if dtype is None:
        return given
    from .places import with_dtype

    return tuple(with_dtype(source, dtype) for source in given)


def _expression(given: Any) -> Expr:
    """An output as an expression; ArgumentError says which door is meant for what is none."""
    door = "parse(...)" if isinstance(given, str) else "from_function(...) or jit" if callable(given) else ""
    if given is None or (door and not isinstance(given, Expr)):
        raise ArgumentError(f"compile: expected an expression, got {type(given).__name__}{door and '; use ' + door}")
    return lift(given)


def _check_threads(threads: Any) -> None:
    if threads is not None and not (isinstance(threads, int) and threads > 0):
        raise ArgumentError(f"threads: expected a positive number, got {threads!r}")


def _check_sizes(sizes: Mapping[str, Any], nodes: Sequence[Node]) -> None:
    known = size_names(nodes) if sizes else []
    for name, n in sizes.items():
        if name not in known:
            raise ArgumentError(f"sizes: the formula has no size {name}{suggestion(name, known)}")
        if not isinstance(n, int) or n < 0:
            raise ArgumentError(f"sizes: {name} must be a number of elements, got {n!r}")


def _symbols(exprs: Sequence[Expr]) -> dict[str, Node]:
    """The symbols of `exprs` by name, in the order of declaration."""
    declared = [x for e in exprs for x in e.declared]
    return check_names([*dict.fromkeys([*declared, *symbols_of([e.node for e in exprs])])])


def _arguments(exprs: Sequence[Expr], inputs: Any) -> list[Parameter]:
    known = _symbols(exprs)
    if inputs is None:
        return list(parameters_of(list(known.values())))
    found = [_argument(i, known) for i in (inputs if isinstance(inputs, tuple | list) else [inputs])]
    names = [p.name for p in found]
    twice = [n for k, n in enumerate(names) if n in names[:k]]
    if twice:
        raise ArgumentError(f"inputs: {twice[0]} is listed twice")
    given = {x for p in found for x in p.symbols}
    lost = [symbol_name(x) for x in symbols_of([e.node for e in exprs]) if x not in given]
    if lost:
        raise ArgumentError(f"inputs: the formula needs {', '.join(lost)} too")
    return found


def _argument(given: Any, known: Mapping[str, Node]) -> Parameter:
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str) and is_tree(given[1]):
        return Parameter(given[0], mapped(lambda s: _symbol(s, known), given[1]))
    x = _symbol(given, known)
    return Parameter(symbol_name(x), x)


def _symbol(given: Any, known: Mapping[str, Node]) -> Node:
    if isinstance(given, Expr) and given.node.op.name == "symbol":
        return given.node
    if isinstance(given, str):
        if given in known:
            return known[given]
        raise ArgumentError(f"inputs: the formula has no symbol {given}{suggestion(given, known)}")
    raise ArgumentError(f"inputs: expected symbols or their names, got {type(given).__name__}")


def _gathered(
    arguments: list[Parameter], wrt: Mapping[Any, Any], inputs: Any
) -> tuple[list[Parameter], str]:
    """The arguments with those in the structure `wrt` gathered into one, and its name."""
    if inputs is not None:
        raise ArgumentError("wrt: a dict gathers arguments; leave inputs out, or gather them there")
    known = {p.name: p.tree for p in arguments}
    tree = mapped(lambda given: known[_variable_names((given,), list(known))[0]], wrt)
    inside = [x for _, x in leaves(tree)]
    if len(set(inside)) < len(inside) or not inside:
        raise ArgumentError(f"wrt: the dict names {'a symbol twice' if inside else 'no symbol'}")
    name = fresh("params", set(known))
    return [Parameter(name, tree), *(p for p in arguments if p.tree not in inside)], name


def _variable_names(wrt: Any, known: Sequence[str]) -> tuple[str, ...]:
    """The names of the arguments that `wrt` names.  Raises ArgumentError with a suggestion."""
    names = []
    for given in wrt if isinstance(wrt, tuple | list) else [wrt]:
        is_symbol = isinstance(given, Expr) and given.node.op.name == "symbol"
        name = symbol_name(given.node) if is_symbol else given
        if not isinstance(name, str):
            raise ArgumentError(f"wrt: expected symbols or their names, got {type(given).__name__}")
        if name not in known:
            hint = suggestion(name, known) or f" (arguments: {', '.join(known)})"
            raise ArgumentError(f"wrt: there is no argument {name}{hint}")
        if name in names:
            raise ArgumentError(f"wrt: {name} is listed twice")
        names.append(name)
    if not names:
        raise ArgumentError("wrt: the tuple is empty")
    return tuple(names)


def _in_dtype(nodes: list[Node], arguments: list[Parameter], dtype: Any) -> tuple[list[Node], list[Parameter]]:
    if dtype is None:
        return nodes, arguments
    dtype = element_type(dtype)
    if not is_float(dtype):
        raise ArgumentError(f"dtype: expected 'f64' or 'f32', got {dtype!r}")
    symbols = [x for p in arguments for x in p.symbols]
    changed = retyped([*nodes, *symbols], dtype)
    new = iter(changed[len(nodes) :])
    return changed[: len(nodes)], [Parameter(p.name, rebuilt(p.tree, new)) for p in arguments]


def evaluate(expr: Expr, *args: Any, **keywords: Any) -> Any:
    """The value of `expr` for values of its symbols, in the order of declaration or by name, computed by NumPy in its
    stable form.

    Arguments are checked and results given as compiled functions do."""
    symbols = list(_symbols([expr]).values())
    roots = [expr.node]
    signature = Signature(parameters_of(symbols), conditions(roots), tuple(size_names(roots)), counted(roots))
    arrays = signature.arrays(signature.values(args, keywords))
    stable = canonicalise([expr.node])
    if not any(a.ndim for a in arrays) or not signature.scalar:
        (result,) = interpreter.run(stable, dict(zip(symbols, arrays, strict=True)), signature.sizes(arrays))
        return np.array(result) if result.ndim else result.item()
    signature.require({})
    points = spread(signature.labels, arrays)
    roots, fresh = over_points(stable, symbols, points.many)
    (result,) = interpreter.run(roots, dict(zip(fresh, points.arrays, strict=True)), {"points": points.count})
    return np.array(result).reshape(*points.shape, *result.shape[1:])


__all__ = ["compile", "evaluate"]
