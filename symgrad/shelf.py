"""Compiled functions kept on disk, found by formula and request before anything is derived or compiled.

A `Request` is a formula, or a derivative of another request; its facts say all that decides what is compiled for it:
the graph as a table, the arguments, the derivatives asked for, options, the processor, and the versions of everything
that has a part in it.  A `Shelf` holds for one request what a function must know to be called, and its kernels.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np

from . import compiler
from .arguments import Signature
from .compiler import cache
from .compiler.llvm.jit import host
from .compiler.records import record
from .conditions import conditions, counted
from .formula import Formula, derived
from .graph import OPS, Node, flatten, postorder
from .machine import Made, Options, Planned, Version
from .specialise import size_names
from .trees import mapped

MOST_CONSTANTS = 2**20
"""Bytes of constants up to which a function is kept: data do not belong into a cache of code."""
_OWN_OPERATIONS = frozenset(OPS)
"""Those that every process has alike; what users declare may mean something else elsewhere."""


@record(frozen=True, slots=True)
class Described:
    """A function without its formula: `outline` has types in the place of the outputs."""

    outline: Formula
    signature: Signature

    @classmethod
    def of(cls, formula: Formula) -> Described:
        """The description of a formula."""
        nodes = formula.nodes
        signature = Signature(formula.parameters, conditions(nodes), tuple(size_names(nodes)), counted(nodes))
        types = mapped(lambda x: x.type, formula.outputs)
        return cls(replace(formula, outputs=types, sources=(), origin=None), signature)


class Request:
    """What a function computes: a formula, or the derivative `kind` of what `parent` computes."""

    def __init__(self, given: Formula | Request, options: Options, kind: str = "") -> None:
        self.given, self.options, self.kind = given, options, kind

    @cached_property
    def formula(self) -> Formula:
        """The formula, derived when it is first asked for.  Raises what derivatives raise."""
        return derived(self.given.formula, self.kind) if isinstance(self.given, Request) else self.given

    @property
    def base(self) -> Formula:
        """The formula that nothing was derived for."""
        return self.given.base if isinstance(self.given, Request) else self.given

    @property
    def kinds(self) -> tuple[str, ...]:
        """The derivatives in the order in which they are taken."""
        return (*self.given.kinds, self.kind) if isinstance(self.given, Request) else ()

    @cached_property
    def _table(self) -> str | None:
        """A digest of the formula that nothing was derived for; None if it is not for the disk."""
        if isinstance(self.given, Request):
            return self.given._table
        f = self.given
        nodes = list(dict.fromkeys([*f.nodes, *f.symbols]))
        order = postorder(nodes)
        if any(x.op.name not in _OWN_OPERATIONS for x in order):
            return None
        if sum(_bytes(x) for x in order) > MOST_CONSTANTS:
            return None
        number = {x: k for k, x in enumerate(nodes)}
        arguments = [(p.name, mapped(number.__getitem__, p.tree)) for p in f.parameters]
        outputs = mapped(number.__getitem__, f.outputs)
        facts = (flatten(nodes), outputs, arguments, f.wrt, f.several, f.groups, f.join)
        return cache.digest(repr(facts).encode()).hex()

    @property
    def facts(self) -> tuple[str, ...] | None:
        """All that decides the compiled function; None if it cannot be kept."""
        if self.options.target is not None or self._table is None:
            return None
        machine = host()
        return ("function", self._table, *self.kinds, repr(self.options.sizes), machine.triple, machine.cpu,
                machine.features, *_versions())  # fmt: skip


def _bytes(x: Node) -> int:
    return len(x.params[2]) if x.op.name == "constant" else 0


@lru_cache(maxsize=1)
def _versions() -> tuple[str, ...]:
    """The versions of what makes code and of our own files, which in a checkout may change without one."""
    own, other = (Path(package.__path__[0]) for package in (sys.modules[__package__], compiler))
    files: list[tuple[str | int, ...]]
    if other.parent == own:  # installed, all files at once
        files = [(f"{own}", *_state(own / "__init__.py"), *_state(other / "__init__.py"))]
    else:
        files = sorted((file.name, *_state(file)) for folder in (own, other) for file in _sources(folder))
    return (sys.version, np.__version__, llvmlite.__version__, repr(files))


def _sources(folder: Path) -> list[os.DirEntry[str]]:
    found: list[os.DirEntry[str]] = []
    pending: list[str] = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    found.append(entry)
                elif entry.name[0] not in "._" and entry.is_dir():
                    pending.append(entry.path)
    return found


def _state(file: os.DirEntry[str] | Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


class Shelf:
    """Where the compiled code of one request is kept; without `facts` nothing is."""

    def __init__(self, facts: Sequence[str] | None) -> None:
        self.facts = facts
        self.described: Described | None = None
        self.planned: Planned | None = None
        match self._find(()):
            case (Described() as described, Planned() as planned):
                self.described, self.planned = described, planned
            case _:  # nothing, or something foreign
                pass

    def version(self, key: tuple[int, ...]) -> Made | None:
        """What was kept of the kernel for sizes like `key`, or None."""
        found = self._find(("version", repr(key))) if self.planned is not None else None
        return found if isinstance(found, Made) else None

    def keep(self, key: tuple[int, ...], version: Version, planned: Planned) -> None:
        """Keeps a kernel, and what must be known to call it."""
        if self.facts is None or self.described is None:
            return
        with suppress(pickle.PicklingError, AttributeError, TypeError):  # what cannot be pickled is not kept
            if self.planned is None:
                cache.keep(self.facts, pickle.dumps((self.described, planned)))
                self.planned = planned
            cache.keep((*self.facts, "version", repr(key)), pickle.dumps(version.finished))

    def _find(self, more: tuple[str, ...]) -> Any:
        content = None if self.facts is None else cache.find((*self.facts, *more))
        if content is None:
            return None
        try:
            return pickle.loads(content)
        except Exception:  # whatever a foreign entry may hold, it is as if there were none
            return None


__all__ = ["Described", "Request", "Shelf"]
