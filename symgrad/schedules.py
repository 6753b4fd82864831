"""Learning rates that change: functions of the epochs done (0 at the start, 2.5 in the middle of the third epoch).

Any such function will do for ``fit(..., rate=...)``; these are the usual ones.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi

Schedule = Callable[[float], float]


def cosine(rate: float, epochs: float, floor: float = 0.0) -> Schedule:
    """From `rate` to `floor` in half a cosine wave over `epochs`, and `floor` from then on (Loshchilov and Hutter,
    "SGDR", ICLR 2017).

    >>> from symgrad import schedules
    >>> [round(schedules.cosine(0.1, 10)(t), 4) for t in (0, 5, 10, 20)]
    [0.1, 0.05, 0.0, 0.0]
    """
    return lambda t: floor + (rate - floor) * (1 + cos(pi * min(t / epochs, 1.0))) / 2


def steps(rate: float, every: float, factor: float = 0.1) -> Schedule:
    """`rate`, multiplied by `factor` after each `every` epochs.

    >>> from symgrad import schedules
    >>> [schedules.steps(1.0, every=10, factor=0.5)(t) for t in (0, 9.9, 10, 35)]
    [1.0, 1.0, 0.5, 0.125]
    """
    return lambda t: float(rate * factor ** (t // every))


def warmup(epochs: float, then: Schedule | float) -> Schedule:
    """Grows in a straight line to what `then`, a schedule or a number, gives after `epochs`, and goes on with it.

    >>> from symgrad import schedules
    >>> [schedules.warmup(4, then=0.1)(t) for t in (1, 2, 4, 100)]
    [0.025, 0.05, 0.1, 0.1]
    """
    after = then if callable(then) else lambda t: then
    return lambda t: after(t) if t >= epochs else after(epochs) * t / epochs


__all__ = ["cosine", "steps", "warmup"]
