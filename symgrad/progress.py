"""A bar that shows how far building a function is, once that takes more than a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

PATIENCE = 1.0
"""Seconds before anything is shown."""
WIDTH, STEP = 24, 0.1
Tell = Callable[[str], None]


def is_watched(stream: TextIO) -> bool:
    """Whether somebody sees what is written: a terminal or a notebook."""
    return "ipykernel" in sys.modules or stream.isatty()


@contextmanager
def shown(stages: int, verbose: bool | None) -> Iterator[Tell]:
    """Gives a function to call with the name of each of the `stages` as it begins.

    What takes longer than a second is shown on the standard error stream if somebody sees it, always or never as
    `verbose` says."""
    stream = sys.stderr
    if verbose is False or (verbose is None and not is_watched(stream)):
        yield lambda name: None
        return
    done, begun = threading.Event(), [""]
    thread = threading.Thread(target=_draw, args=(stream, stages, begun, done), daemon=True)
    thread.start()
    try:
        yield begun.append
    finally:
        done.set()
        thread.join()


def _draw(stream: TextIO, stages: int, begun: list[str], done: threading.Event) -> None:
    start = time.monotonic()
    if done.wait(PATIENCE):
        return
    longest = 0
    while not done.is_set():
        full = WIDTH * (len(begun) - 1) // stages
        text = f"symgrad [{'=' * full:{WIDTH}}] {begun[-1]} {time.monotonic() - start:.1f} s"
        longest = max(longest, len(text))
        stream.write(f"\r{text:{longest}}")
        stream.flush()
        done.wait(STEP)
    stream.write(f"\r{'':{longest}}\r")
    stream.flush()


__all__ = ["Tell", "is_watched", "shown"]
