"""Imports run one way: symgrad → compiler, and inside each package from the top of its list of layers to the bottom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the bottom to the top. An entry covers the module, its submodules, and `entry_more` beside it, so that a file
# that is split stays in its layer. Files of one layer may import one another, without a cycle.
LAYERS = [
    "symgrad._checkout",
    "symgrad.compiler.records",
    "symgrad.compiler.types",
    "symgrad.compiler.index",
    "symgrad.compiler.substitution",
    "symgrad.compiler.llvm.vecmath",
    "symgrad.compiler.scalars",
    "symgrad.compiler.reader",
    "symgrad.compiler.text",
    "symgrad.compiler.verify",
    "symgrad.compiler.externs",
    "symgrad.compiler.accesses",
    "symgrad.compiler.costs",
    "symgrad.compiler.alignment",
    "symgrad.compiler.ranges",
    "symgrad.compiler.affine",
    "symgrad.compiler.dependences",
    "symgrad.compiler.interpreter",
    "symgrad.compiler.tape",
    "symgrad.compiler.passes",
    "symgrad.compiler.loops",
    "symgrad.compiler.blas",
    "symgrad.compiler.matrices",
    "symgrad.compiler.nests",
    "symgrad.compiler.fusion",
    "symgrad.compiler.stacking",
    "symgrad.compiler.streaming",
    "symgrad.compiler.schedule",
    "symgrad.compiler.outline",
    "symgrad.compiler.work",
    "symgrad.compiler.layout",
    "symgrad.compiler.tiles",
    "symgrad.compiler.memory",
    "symgrad.compiler.parallel",
    "symgrad.compiler.callables",
    "symgrad.compiler.llvm",
    "symgrad.compiler.cache",
    "symgrad.compiler.builtin",
    "symgrad.compiler.running",
    "symgrad.compiler.kernel",
    "symgrad.compiler.tape_kernel",
    "symgrad.compiler",
    "symgrad.data",
    "symgrad.errors",
    "symgrad.element_types",
    "symgrad.properties",
    "symgrad.graph",
    "symgrad.origins",
    "symgrad.indexing",
    "symgrad.expression",
    "symgrad.build",
    "symgrad.trees",
    "symgrad.ops",
    "symgrad.interpreter",
    "symgrad.high_precision",
    "symgrad.rewrite",
    "symgrad.show",
    "symgrad.parser",
    "symgrad.tracing",
    "symgrad.sympy_bridge",
    "symgrad.simplifier",
    "symgrad.scalar_pullbacks",
    "symgrad.differentiation",
    "symgrad.loops",
    "symgrad.control",
    "symgrad.batching",
    "symgrad.implicit",
    "symgrad.custom",
    "symgrad.matrix_functions",
    "symgrad.derivatives",
    "symgrad.patterns",
    "symgrad.colouring",
    "symgrad.selections",
    "symgrad.sparsity",
    "symgrad.assembly",
    "symgrad.bands",
    "symgrad.calculus",
    "symgrad.explanation",
    "symgrad.proving_basics",
    "symgrad.proving",
    "symgrad.equality",
    "symgrad.specialise",
    "symgrad.outer_products",
    "symgrad.planning",
    "symgrad.lowering",
    "symgrad.tapes",
    "symgrad.show.c_source",
    "symgrad.costing",
    "symgrad.flattening",
    "symgrad.conditions",
    "symgrad.arguments",
    "symgrad.broadcasting",
    "symgrad.progress",
    "symgrad.machine",
    "symgrad.handles",
    "symgrad.stages",
    "symgrad.formula",
    "symgrad.places",
    "symgrad.nonfinite",
    "symgrad.profiling",
    "symgrad.checking",
    "symgrad.shelf",
    "symgrad.operators",
    "symgrad.problem",
    "symgrad.function",
    "symgrad.coloured",
    "symgrad.sparse_function",
    "symgrad.structured",
    "symgrad.compressed",
    "symgrad.api",
    "symgrad.just_in_time",
    "symgrad.schedules",
    "symgrad.initialisation",
    "symgrad.fitting",
    "symgrad",
    "symgrad.demo",
    "symgrad.cli",
    "symgrad.__main__",
]

# What users hold: methods such as `Expr.grad` call, when they are called, what stands above them.
REACHES_UP_WHEN_CALLED = {"symgrad.expression", "symgrad.function"}


@dataclass(frozen=True)
class Import:
    """`source` names the module `target`; `deferred`: not when it is imported itself but when a function runs."""

    source: str
    target: str
    line: int
    deferred: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def shipped_name(path: Path) -> str:
    """The module's name in an installed symgrad."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts if parts[0] == "symgrad" else ["symgrad", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    shipped_name(path): path
    for folder in ("symgrad", "compiler")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def is_deferring(node: ast.AST) -> bool:
    """Whether the imports inside `node` do not run when the module is imported."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def import_statements(path: Path) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import of a file and whether it is deferred."""
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8"), str(path)), False)]
    while waiting:
        node, deferred = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, deferred
        waiting += [(child, deferred or is_deferring(node)) for child in ast.iter_child_nodes(node)]


def absolute(name: str, path: Path, node: ast.ImportFrom) -> str:
    """The module that `from … import` names, without the dots."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    base = ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level]) if node.level else ""
    return ".".join(filter(None, [base, node.module]))


@cache
def imports() -> tuple[Import, ...]:
    """All imports of our own modules by our own modules."""
    found = []
    for name, path in MODULES.items():
        for node, deferred in import_statements(path):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            else:
                module = absolute(name, path, node)
                inner = [f"{module}.{alias.name}" for alias in node.names]
                targets = [target if target in MODULES else module for target in inner]
            found += [Import(name, target, node.lineno, deferred) for target in targets if target in MODULES]
    return tuple(dict.fromkeys(found))


def layer(name: str) -> int:
    """The place of the most specific entry that covers the module."""
    covering = [entry for entry in LAYERS if name == entry or name.startswith((f"{entry}.", f"{entry}_"))]
    return LAYERS.index(max(covering, key=len))


def test_every_module_has_its_layer() -> None:
    """Nothing falls to the entries of the two packages themselves but their `__init__`."""
    packages = {"symgrad", "symgrad.compiler"}
    lost = [name for name in MODULES if LAYERS[layer(name)] in packages and name not in packages]
    assert not lost, "give these a place in LAYERS"


def test_imports_run_downwards() -> None:
    upward = [
        str(found)
        for found in imports()
        if layer(found.target) > layer(found.source)
        and not (found.deferred and found.source in REACHES_UP_WHEN_CALLED)
    ]
    assert not upward


def test_no_modules_import_each_other() -> None:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for found in imports():
        if not found.deferred:
            sorter.add(found.source, found.target)
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_compiler_uses_relative_imports_and_stays_inside() -> None:
    """It is one folder under two names, so it may name neither, and it knows nothing of symgrad."""
    outside = []
    for name, path in MODULES.items():
        if (ROOT / "compiler") not in path.parents:
            continue
        for node, _ in import_statements(path):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [absolute(name, path, node)]
            inside = isinstance(node, ast.ImportFrom) and node.level and names[0].startswith("symgrad.compiler")
            if not inside and {target.split(".")[0] for target in names} & {"symgrad", "compiler", "sympy"}:
                outside.append(f"{name}:{node.lineno}")
    assert not outside


def test_tests_use_the_compiler_under_its_shipped_name() -> None:
    wrong = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node, _ in import_statements(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            relative = isinstance(node, ast.ImportFrom) and node.level
            if not relative and any(target.split(".")[0] == "compiler" for target in names):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "import symgrad.compiler, not compiler"


def test_import_loads_no_heavy_package() -> None:
    program = "import sys, symgrad; print(*({'sympy', 'networkx', 'scipy', 'matplotlib'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == ""


def test_no_module_has_the_name_of_a_public_function() -> None:
    """Importing such a module would put it in the function's place."""
    import symgrad

    public = {name for name in dir(symgrad) if callable(getattr(symgrad, name))}
    assert not public & {name.removeprefix("symgrad.") for name in MODULES}
