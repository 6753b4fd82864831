"""Element types as users write them: ours (``"f32"``), NumPy's and Python's, all under one name."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiler.types import DTYPES
from .errors import DTypeError

DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def element_type(given: Any, what: str = "dtype") -> str:
    """The name of the element type that `given` stands for: "f64", "f32", "i64", "bool", a NumPy type or what NumPy
    takes for one (``"float32"``, `float`).  Raises DTypeError, which says `what` was to get it.

    >>> import numpy as np
    >>> element_type("f32"), element_type(np.float32), element_type("float64"), element_type(int)
    ('f32', 'f32', 'f64', 'i64')
    """
    if isinstance(given, str) and given in DTYPES:
        return given
    try:
        name = None if given is None else DTYPE_NAMES.get(np.dtype(given))
    except (TypeError, ValueError, SyntaxError):
        name = None
    if name is None:
        raise DTypeError(f"{what}: {given!r} is not an element type: use {', '.join(DTYPES)}")
    return name


__all__ = ["DTYPE_NAMES", "element_type"]
