"""`fit`: parameters that make a loss small.

A thin layer over compiled functions.  With an update rule the whole step (loss, gradients, update) is one compiled
function, and Python only hands it the next batch; SciPy's minimisers get compiled values, gradients and products with
the Hessian.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from .arguments import Array
from .errors import ArgumentError, NotFinite
from .fitting_data import Batches, Cut, Stream, bound, is_stream
from .fitting_history import Epoch, Fit, History, Monitor
from .fitting_methods import MINIMISERS, check_options, rule_of, states
from .fitting_objective import Objective, objective
from .flattening import Layout
from .trees import is_tree, matching

Rate = float | Callable[[float], float]
ORDERS = (True, "batches", False)


def fit(
    loss: Any,
    params: Any,
    data: Any = (),
    *,
    method: Any = "adam",
    batch: int | None = None,
    epochs: int = 100,
    steps: int | None = None,
    rate: Rate | None = None,
    decay: Any = 0.0,
    seed: int = 0,
    shuffle: bool | str = True,
    validation: Any = None,
    patience: int | None = None,
    callbacks: Any = (),
    progress: bool | None = None,
    **options: Any,
) -> Fit:
    """Minimises `loss` over `params`, starting from their values; arrays that are given are not changed.

    `loss` is a scalar expression, with `params` a dict from names of symbols to arrays; or a compiled function, with
    `params` like its variables; or a NumPy-style function, which is traced: `params`, in any structure, is its first
    argument, or a dict of some of its arguments.  `data` are the other arguments: a dict by name or a tuple.  Write the
    loss as a mean over the samples: each step sees the loss of its batch.

    With `batch`, arrays are cut along the axis of the samples, the first axis of the first array (and of all whose
    first size is the same); memory-mapped files are read batch by batch.  `shuffle`: True draws the samples of each
    batch anew in every epoch, "batches" shuffles batches of neighbours, as suits files larger than memory, False keeps
    the order.  `data` may also be an iterable of batches, each a dict or a tuple; a function that returns one is called
    for every epoch; where an iterator ends, the fit does.  An epoch has at most `steps` batches.

    `method`: "sgd", "momentum", "nesterov" (option `momentum`), "adam" (`beta1`, `beta2`, `eps`), or a function like
    those in `symgrad.fitting_methods`.  `rate` is a number or a function of the epochs done (see `symgrad.schedules`);
    `decay` shrinks all parameters by ``rate*decay`` in each step, or each by its own number in a structure like
    `params`.  "l-bfgs" (`tolerance`, `memory`) and "newton-krylov" (`tolerance`) are SciPy's, use all data at once,
    and count iterations as epochs.

    After each epoch the loss of the `validation` data is computed, and each of the `callbacks` is called with an
    `Epoch`; one that returns True ends the fit.  With `patience`, the fit ends after so many epochs in which the
    validation loss (without validation data, the loss) was not smaller than ever before, and the parameters of the
    best epoch are given.  `progress` shows a bar, by default in terminals and notebooks.  The same `seed` gives the
    same bits.

    Raises ArgumentError, and NotFinite when the loss or a parameter is no longer a finite number; it tells where.

    >>> import numpy as np
    >>> import symgrad as sg
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> data = {"X": X, "y": X @ [1.0, -2.0, 0.5] + 3}
    >>> L = sg.parse("mean((X @ w + b - y)**2)", X="m,n", w="n", b="", y="m")
    >>> found = sg.fit(L, {"w": np.zeros(3), "b": 0.0}, data, method="l-bfgs")
    >>> found.params["w"].round(4), found.params["b"].round(4).item()
    (array([ 1. , -2. ,  0.5]), 3.0)
    >>> found = sg.fit(L, {"w": np.zeros(3), "b": 0.0}, data, method="nesterov", batch=20, epochs=30)
    >>> found.steps, found.reason, found.loss < 1e-6
    (300, 'all epochs done', True)
    """
    _check_counts(batch=batch, epochs=epochs, steps=steps, patience=patience)
    if not any(shuffle is known or shuffle == known for known in ORDERS):
        raise ArgumentError(f"shuffle: expected True, 'batches' or False, got {shuffle!r}")
    stream = Stream(data) if is_stream(data) else None
    target = objective(loss, params, stream.first if stream else data)
    start = target.arrays(params)
    held_out = None if validation is None else Cut(target.data, bound(target.data, validation), batch)
    monitor = Monitor(target, epochs, held_out, patience, callbacks, progress)
    if isinstance(method, str) and method in MINIMISERS:
        if stream or is_tree(decay) or decay or any(v is not None for v in (batch, steps, rate)):
            raise ArgumentError(f"fit: {method!r} uses all data at once and finds its own steps: give arrays, leave "
                                "out batch, steps, rate and decay, and put a penalty into the loss")  # fmt: skip
        check_options(method, MINIMISERS[method], options)
        whole = Cut(target.data, bound(target.data, data), None).typical()
        return minimise(target, start, whole, MINIMISERS[method](epochs, **options), monitor)
    batches: Batches
    if stream:
        batches = stream.bound(target.data)
    else:
        batches = Cut(target.data, bound(target.data, data), batch, shuffle, np.random.default_rng(seed))
    rule, usual = rule_of(method)
    check_options(method, rule, options)
    given = [float(v) for _, v in matching(target.tree, decay, "decay")] if is_tree(decay) else [decay] * len(start)
    run = target.step(rule, options, given, [*start, *batches.typical()])
    zeros = [np.zeros_like(a) for a in start for _ in states(rule)]
    descent = Descent(target, run, start, zeros, usual if rate is None else rate, monitor)
    for _ in range(epochs):
        if not descent.epoch(batches, steps):
            break
    return monitor.result(descent.params, descent.steps)


def _check_counts(**counts: Any) -> None:
    for name, n in counts.items():
        least = 0 if name == "epochs" else 1
        if n is not None and (isinstance(n, bool) or not isinstance(n, int | np.integer) or n < least):
            raise ArgumentError(f"{name}: expected a number of at least {least}, got {n!r}")


class Descent:
    """Steps of a compiled update rule."""

    def __init__(
        self, target: Objective, run: Callable[..., Any], params: list[Array], states: list[Array], rate: Rate,
        monitor: Monitor,
    ) -> None:  # fmt: skip
        self.target, self.run, self.monitor = target, run, monitor
        self.params, self.states, self.rate = params, states, rate
        self.steps = self.epochs = 0
        self.tried: tuple[list[Array], list[Array]] = (params, [])
        """The parameters and the batch of the last step."""

    def epoch(self, batches: Batches, most: int | None) -> bool:
        """The steps of one epoch, at most so many; whether the fit goes on."""
        total, samples, part, count = 0.0, 0, 0.0, len(self.params)
        known = batches.total if most is None or batches.total is None else min(most, batches.total)
        for done, (size, arrays) in enumerate(islice(batches.epoch(), most), 1):
            rate = self._rate(part)
            value, *new = self.run(*self.params, *self.states, rate, float(self.steps + 1), *arrays)
            if not isfinite(value):
                self._fail(f"the loss became {value}", self.params, arrays)
            self.tried = self.params, arrays
            self.params, self.states = new[:count], new[count:]
            self.steps += 1
            total, samples = total + value * size, samples + size
            part = done / (known or most or math.inf)
            self.monitor.progress.step(self.epochs, part, value)
        if not samples:
            self.monitor.reason = "the batches ended"
            return False
        if not _all_finite(self.params):
            self._fail("a parameter is not finite any more", *self.tried)
        self.epochs += 1
        return self.monitor.after(total / samples, self.params, rate)

    def _rate(self, part: float) -> float:
        return float(self.rate(self.epochs + part) if callable(self.rate) else self.rate)

    def _fail(self, what: str, params: list[Array], arrays: list[Array]) -> NoReturn:
        """Raises NotFinite with a trace at the last parameters that were finite."""
        if not _all_finite(params):
            params, arrays = self.tried
        raise_not_finite(self.target, f"{what} in step {self.steps + 1}, epoch {self.epochs + 1}", params, arrays)


def _all_finite(arrays: list[Array]) -> bool:
    return all(bool(np.isfinite(a).all()) for a in arrays)


def raise_not_finite(target: Objective, what: str, params: list[Array], arrays: list[Array]) -> NoReturn:
    """Raises NotFinite with what `trace_nan` says."""
    told = target.trace(params, arrays) or "loss and gradient are finite before: the step was too long, lower the rate"
    raise NotFinite(f"fit: {what}\n{told}")


def minimise(
    target: Objective, start: list[Array], data: list[Array], how: dict[str, Any], monitor: Monitor
) -> Fit:
    """The result of one of SciPy's minimisers, which get all parameters as one vector."""
    import scipy.optimize

    layout = Layout(tuple(a.shape for a in start))
    both = target.value_and_grad([*start, *data])
    failed: list[Array] = []

    def at(x: Array) -> tuple[float, Array]:
        value, *parts = both(*layout.split(x), *data)
        gradient = layout.join(parts).astype(np.float64, copy=False)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            failed.append(x.copy())
        return value, gradient

    def after(intermediate_result: Any) -> None:
        params = [np.array(a, w.dtype) for a, w in zip(layout.split(intermediate_result.x), start, strict=True)]
        if not monitor.after(float(intermediate_result.fun), params):
            raise StopIteration

    if how["method"] == "trust-ncg":
        product = target.hessian_product([*start, *data])
        how = {**how, "hessp": lambda x, v: layout.join(product(*layout.split(x), *layout.split(v), *data))}
    found = scipy.optimize.minimize(at, layout.join(start).astype(np.float64), jac=True, callback=after, **how)
    if failed and (not np.isfinite(found.fun) or found.status > 1):
        told = "the loss or its gradient became infinite or NaN"
        raise_not_finite(target, told, layout.split(failed[0]), data)
    if monitor.reason == monitor.DONE and found.status != 1:
        monitor.reason = str(found.message).strip().rstrip(".").lower()
    params = [np.array(a, w.dtype) for a, w in zip(layout.split(found.x), start, strict=True)]
    return monitor.result(params, int(found.nit))


__all__ = ["Epoch", "Fit", "History", "fit"]
