"""symgrad: derivatives as formulas a person can read, and as machine code."""

from . import _checkout as _checkout

__version__ = "0.1.0"
