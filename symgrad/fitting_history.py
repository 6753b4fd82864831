"""What a fit tells: its result, a history that plots itself, and a progress bar for terminals and notebooks."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from .arguments import Array
from .errors import ArgumentError
from .fitting_data import Cut
from .fitting_objective import Objective
from .trees import Tree, rebuilt

BAR = 24
REFRESH = 0.1
"""Seconds between two drawings of the bar."""


@dataclass(repr=False)
class History:
    """One entry for every epoch: the mean loss of its batches, each taken before its step; the loss of the validation
    data after it (empty where there are none); the rate; the seconds since the start."""

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        told = f"loss {self.loss[0]:.4g} → {self.loss[-1]:.4g}" if self.loss else "empty"
        return f"<history of {len(self)} epochs: {told}>"

    def plot(self, axes: Any = None) -> Any:
        """Draws the losses over the epochs with matplotlib (extra `plot`), logarithmically where all are positive, and
        gives the axes."""
        if axes is None:
            import matplotlib.pyplot

            axes = matplotlib.pyplot.subplots(figsize=(6, 3))[1]
        epochs = range(1, len(self) + 1)
        axes.plot(epochs, self.loss, label="loss")
        if self.validation:
            axes.plot(epochs, self.validation, label="validation")
            axes.legend()
        if min(self.loss + self.validation, default=0) > 0:
            axes.set_yscale("log")
        axes.set(xlabel="epoch", ylabel="loss")
        return axes

    def _repr_png_(self) -> bytes | None:
        """The plot, for notebooks; nothing where matplotlib is missing."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return None
        figure, stored = Figure(figsize=(6, 3), layout="constrained"), BytesIO()
        self.plot(figure.subplots())
        figure.savefig(stored, format="png", dpi=100)
        return stored.getvalue()


@dataclass(frozen=True)
class Epoch:
    """What callbacks get after an epoch.  The arrays in `params` are not changed later."""

    number: int
    loss: float
    validation: float | None
    params: Tree = field(repr=False)
    history: History = field(repr=False)


@dataclass(frozen=True)
class Fit:
    """What `fit` found: `params` in the structure in which they were given, the `history`, the number of `steps` and
    the `reason` for which it ended."""

    params: Tree
    history: History
    steps: int
    reason: str

    @property
    def loss(self) -> float:
        """The last loss of the history."""
        return self.history.loss[-1] if self.history.loss else math.nan

    def __repr__(self) -> str:
        epochs = len(self.history)
        return f"<fit: {epochs} epoch{'' if epochs == 1 else 's'}, loss {self.loss:.6g}, {self.reason}>"


class Progress:
    """A line that is drawn over itself, at most ten times a second."""

    def __init__(self, shown: bool | None, epochs: int) -> None:
        self.epochs = epochs
        self.notebook = _in_notebook() if shown is None or shown else False
        self.shown = self.notebook or sys.stderr.isatty() if shown is None else shown
        self.last, self.width = 0.0, 0
        self.handle: Any = None

    def step(self, epoch: int, part: float, loss: float) -> None:
        """The bar after a `part` of an epoch, where it is time to draw it."""
        if self.shown and time.monotonic() - self.last > REFRESH:
            self._draw(self._line(epoch + part, epoch, f"loss {loss:.4g}"))

    def end(self, history: History, reason: str) -> None:
        """The last line, which stays."""
        if self.shown:
            told = f"loss {history.loss[-1]:.4g}" if history.loss else ""
            told += f", validation {history.validation[-1]:.4g}" if history.validation else ""
            told += f", {history.seconds[-1]:.1f} s" if history.seconds else ""
            self._draw(self._line(len(history), len(history), f"{told}, {reason}"))
            if not self.notebook:
                print(file=sys.stderr)

    def _line(self, done: float, epoch: int, told: str) -> str:
        filled = min(BAR, int(BAR * done / self.epochs)) if self.epochs else BAR
        return f"{'█' * filled}{'░' * (BAR - filled)} epoch {epoch}/{self.epochs}, {told}"

    def _draw(self, line: str) -> None:
        self.last = time.monotonic()
        if not self.notebook:
            print(f"\r{line:{self.width}}", end="", file=sys.stderr, flush=True)
            self.width = len(line)
        elif self.handle is None:
            from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

            self.handle = display({"text/plain": line}, raw=True, display_id=True)
        else:
            self.handle.update({"text/plain": line}, raw=True)


class Monitor:
    """What happens after an epoch: history, validation, early stopping, callbacks."""

    DONE = "all epochs done"

    def __init__(
        self, target: Objective, epochs: int, held_out: Cut | None, patience: int | None, callbacks: Any,
        progress: bool | None,
    ) -> None:  # fmt: skip
        self.target, self.held_out, self.patience = target, held_out, patience
        self.callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
        for f in self.callbacks:
            if not callable(f):
                raise ArgumentError(f"callbacks: expected functions, got {type(f).__name__}")
        self.history, self.reason = History(), self.DONE
        self.progress = Progress(progress, epochs)
        self.best: tuple[float, int, Sequence[Array]] = (math.inf, 0, [])
        self.loss = target.loss() if held_out is not None else None
        self.started = time.perf_counter()

    def after(self, loss: float, params: Sequence[Array], rate: float | None = None) -> bool:
        """Takes note of an epoch; whether the fit goes on."""
        self.history.loss.append(loss)
        self.history.seconds.append(time.perf_counter() - self.started)
        if rate is not None:
            self.history.rate.append(rate)
        validation = self._validation(params)
        if validation is not None:
            self.history.validation.append(validation)
        number, watched = len(self.history), loss if validation is None else validation
        if watched < self.best[0]:
            self.best = (watched, number, params)
        elif self.patience is not None and number - self.best[1] >= self.patience:
            self.reason = f"no improvement since epoch {self.best[1]}"
        record = Epoch(number, loss, validation, rebuilt(self.target.tree, iter(params)), self.history)
        answers = [f(record) for f in self.callbacks]
        if any(answer is True for answer in answers):
            self.reason = "ended by a callback"
        return self.reason == self.DONE

    def _validation(self, params: Sequence[Array]) -> float | None:
        """The mean loss of the validation data, weighted by the sizes of the batches."""
        if self.held_out is None or self.loss is None:
            return None
        found = [(size, self.loss(*params, *arrays)[0]) for size, arrays in self.held_out.epoch()]
        return float(sum(size * value for size, value in found) / sum(size for size, _ in found))

    def result(self, params: Sequence[Array], steps: int) -> Fit:
        """The fit, with the parameters of the best epoch where that was asked for."""
        self.progress.end(self.history, self.reason)
        if self.patience is not None and self.best[1]:
            params = self.best[2]
        return Fit(rebuilt(self.target.tree, iter(params)), self.history, steps, self.reason)


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


__all__ = ["Epoch", "Fit", "History", "Monitor", "Progress"]
