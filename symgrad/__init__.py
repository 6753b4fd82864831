"""symgrad: derivatives as formulas a person can read, and as machine code.

Every function of the operation table is here by its name: ``sg.exp``, ``sg.norm``, ``sg.softmax``, …; see
``dir(symgrad)``.  What many programs never use is loaded when it is first asked for, so that importing is quick.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any

from . import _checkout as _checkout
from . import batching as batching
from . import control as control
from . import implicit as implicit
from . import matrix_functions as matrix_functions
from . import ops as ops
from . import schedules as schedules
from .api import compile
from .build import matrix, scalar, tensor, vector
from .custom import operation
from .errors import (
    ArgumentError,
    DomainError,
    DTypeError,
    NotDifferentiable,
    NotFinite,
    OutOfMemory,
    ParseError,
    ShapeError,
    SymgradError,
)
from .expression import FUNCTIONS as _FUNCTIONS
from .expression import Expr
from .function import Function
from .graph import Graph
from .parser import parse

if _TYPE_CHECKING:
    from .equality import same
    from .fitting import fit
    from .initialisation import init
    from .just_in_time import jit
    from .sympy_bridge import from_sympy
    from .tracing import from_function

__version__ = "0.1.0"
_LATER = {
    "fit": "fitting", "from_function": "tracing", "from_sympy": "sympy_bridge", "init": "initialisation",
    "jit": "just_in_time", "same": "equality",
}  # fmt: skip
"""Public names by the modules that hold them and are loaded with them."""

__all__ = [
    "ArgumentError", "DTypeError", "DomainError", "Expr", "Function", "Graph", "NotDifferentiable", "NotFinite",
    "OutOfMemory", "ParseError", "ShapeError", "SymgradError", "compile", "fit", "from_function", "from_sympy", "init",
    "jit", "matrix", "operation", "parse", "same", "scalar", "schedules", "tensor", "vector",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LATER:
        found = globals()[name] = getattr(_import_module(f".{_LATER[name]}", __name__), name)
        return found
    try:
        return _FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"module 'symgrad' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*__all__, *_FUNCTIONS, "__version__"})
