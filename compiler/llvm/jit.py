"""From IR text to machine code in memory: targets, LLVM's passes, object code, and what keeps it alive.

The optimiser inlines, promotes registers and cleans up, no more: loops are already vectorised and unrolled and their
invariants outside, and a standard pipeline would take longer than everything else together.  For the same reason
`QUICK` code, at which LLVM works a quarter as long, takes only about twice as long to run; it gives the same bits.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType

import llvmlite
import llvmlite.binding as llvm

from ..records import record
from ..scalars import Extern

_LOCK = threading.Lock()
PASSES = ("always_inliner", "sroa", "instruction_combine", "simplify_cfg", "new_gvn")
"""LLVM's passes, in their order; the last one shares what inlined functions of one argument have in common."""
QUICK = (0, ("always_inliner",))
"""The level and passes for code that will hardly run."""


@record(frozen=True, slots=True)
class Target:
    """A machine to make code for: LLVM's triple, CPU and feature string."""

    triple: str
    cpu: str
    features: str

    @property
    def vector_bytes(self) -> int:
        """The width of its vector registers."""
        have = set(self.features.split(","))
        if "+avx512f" in have and "+avx512dq" in have:
            return 64
        return 32 if "+avx2" in have or "+avx" in have else 16

    @property
    def attributes(self) -> str:
        """Function attributes: where 512-bit vectors are native they are used."""
        return '"prefer-vector-width"="512" "min-legal-vector-width"="512"' if self.vector_bytes == 64 else ""


@lru_cache(maxsize=1)
def host() -> Target:
    """The machine that runs this."""
    _initialize()
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())


@lru_cache(maxsize=1)
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@lru_cache(maxsize=1)
def _initialize_all() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@lru_cache(maxsize=8)
def _machine(target: Target, level: int) -> llvm.TargetMachine:
    if target != host():
        _initialize_all()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc="pic", codemodel="small"
    )


def _optimized(text: str, target: Target, level: int, names: Sequence[str] = PASSES) -> llvm.ModuleRef:
    module = llvm.parse_assembly(text)
    machine = _machine(target, level)
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    passes = llvm.create_new_module_pass_manager()
    for name in names:
        getattr(passes, f"add_{name}_pass")()
    if names:
        passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=level)))
    return module


def object_code(text: str, target: Target, level: int = 2, names: Sequence[str] = PASSES) -> bytes:
    """The object file of IR `text`: position-independent, without any address, so that it can be kept on disk.

    At level 0 code is made in one go, at a tenth of the time; without `names` of passes none is run."""
    with _LOCK:
        return bytes(_machine(target, level).emit_object(_optimized(text, target, level, names)))


def determinants(text: str, target: Target, level: int = 2, names: Sequence[str] = PASSES) -> tuple[str, ...]:
    """All that decides the object code of IR `text`, down to the versions of what makes it."""
    versions = (llvmlite.__version__, str(llvm.llvm_version_info))
    return (text, target.triple, target.cpu, target.features, str(level), *names, *versions)


def optimized_text(text: str, target: Target, level: int = 2) -> str:
    """The IR after LLVM's passes."""
    return str(_optimized(text, target, level))


def assembly(text: str, target: Target, level: int = 2) -> str:
    """The assembly text."""
    return str(_machine(target, level).emit_assembly(_optimized(text, target, level)))


class Code:
    """Machine code in memory; it lives as long as this object, so whoever holds an address holds this too.

    It may call the C functions `externs` and those at `addresses`; `others` are object files that call one another."""

    def __init__(
        self,
        object_file: bytes,
        externs: Mapping[str, Extern],
        addresses: Mapping[str, int] | None = None,
        others: Sequence[bytes] = (),
    ) -> None:
        self.externs, self.files = externs, (*others, object_file)
        known = {name: _capsule_address(row.module, row.symbol) for name, row in externs.items()}
        known.update(addresses or {})
        with _LOCK:
            for name, address in known.items():
                llvm.add_symbol(name, address)
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())
            for file in (*others, object_file):
                self._engine.add_object_file(llvm.ObjectFileRef.from_data(file))
            self._engine.finalize_object()

    def address(self, function: str) -> int:
        """The address of `function`."""
        return int(self._engine.get_function_address(function))


def _new_machine() -> llvm.TargetMachine:
    """An engine takes its machine over, so each gets its own."""
    target = host()
    return llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features)


@lru_cache(maxsize=64)
def _capsule_address(module: str, symbol: str) -> int:
    """The C function that a Cython module exports as `symbol`."""
    capsule = _extension(module).__pyx_capi__[symbol]
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get_pointer(capsule, get_name(capsule)))


def _extension(module: str) -> ModuleType:
    """The module `module`; SciPy's BLAS or LAPACK alone, without the package around it, which takes longer than
    compiling."""
    package, _, name = module.rpartition(".")
    if name in ("cython_blas", "cython_lapack") and package not in sys.modules:
        with suppress(ImportError, OSError):
            around = importlib.import_module("scipy").__path__
            spec = PathFinder.find_spec(module, [os.path.join(path, "linalg") for path in around])
            if spec is not None and spec.loader is not None:
                alone = module_from_spec(spec)
                spec.loader.exec_module(alone)
                sys.modules.pop(module, None)  # so that the package, when it is imported, gets it as its attribute
                return alone
    return importlib.import_module(module)
