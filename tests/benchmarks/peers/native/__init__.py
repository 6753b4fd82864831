"""Builds the C files of this folder on demand with gcc: ``build("limits")`` gives the path of the shared library."""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FLAGS = ["-Ofast", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-shared", "-fPIC"]


def build(name: str, flags: Sequence[str] = ()) -> str:
    """The library made from ``name.c``, kept in the temporary folder.  Raises OSError without gcc."""
    flags = [*FLAGS, *flags]
    source = HERE / f"{name}.c"
    key = hashlib.sha1(source.read_bytes() + " ".join(flags).encode()).hexdigest()[:12]
    out = Path(tempfile.gettempdir()) / "symgrad-bench" / key / f"{name}.so"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(f".{os.getpid()}")
        libraries = [f for f in flags if f[:2] in ("-l", "-L")]
        others = [f for f in flags if f not in libraries]
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run(["gcc", *others, include, str(source), "-o", str(part), *libraries, "-lm"], check=True)
        os.replace(part, out)
    return str(out)


def vector_math_flags() -> list[str]:
    """Compiler flags for SLEEF and SVML where they are installed (libsleef-dev, intel-cmplr-lib-rt)."""
    flags = []
    if glob.glob("/usr/lib/*/libsleef.so"):
        flags += ["-DSLEEF", "-lsleef"]
    lib = Path(sys.prefix) / "lib"
    if (lib / "libsvml.so").exists():
        flags += ["-DSVML", f"-L{lib}", f"-Wl,-rpath,{lib}", "-Wl,--disable-new-dtags", "-lsvml", "-lintlc"]
    return flags


def callcost() -> Any:
    """The extension module whose functions cost nothing."""
    spec = importlib.util.spec_from_file_location("callcost", build("callcost"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
