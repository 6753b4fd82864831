"""symgrad: derivatives as formulas a person can read, and as machine code.

Every function of the operation table is here by its name: ``sg.exp``, ``sg.norm``, ``sg.softmax``, …; see
``dir(symgrad)``.
"""

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
from .equality import same
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
from .fitting import fit
from .function import Function
from .graph import Graph
from .initialisation import init
from .just_in_time import jit
from .parser import parse
from .sympy_bridge import from_sympy
from .tracing import from_function

__version__ = "0.1.0"

__all__ = [
    "ArgumentError", "DTypeError", "DomainError", "Expr", "Function", "Graph", "NotDifferentiable", "NotFinite",
    "OutOfMemory", "ParseError", "ShapeError", "SymgradError", "compile", "fit", "from_function", "from_sympy", "init",
    "jit", "matrix", "operation", "parse", "same", "scalar", "schedules", "tensor", "vector",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    try:
        return _FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"module 'symgrad' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*__all__, *_FUNCTIONS, "__version__"})
