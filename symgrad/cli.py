"""The command `symgrad`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process); the exit status."""
    parser = argparse.ArgumentParser(prog="symgrad", description="Derivatives as formulas and as machine code.")
    parser.add_argument("--version", action="version", version=f"symgrad {__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    commands.add_parser("demo", help="show symgrad at work on Fisher's Iris data").set_defaults(run=demo)
    cache_ = commands.add_parser("cache", help="show how much compiled code is kept on disk, and where")
    cache_.add_argument("--clear", action="store_true", help="remove it")
    cache_.set_defaults(run=cache)
    chosen = vars(parser.parse_args(arguments))
    status: int = chosen.pop("run")(**chosen)
    return status


def demo() -> int:
    """Print the demo."""
    from .demo import run

    run()
    return 0


def cache(clear: bool) -> int:
    """Print what the cache of compiled code holds; with `clear`, remove it."""
    from .compiler import cache as store

    held = store.clear() if clear else store.contents()
    if held.path is None:
        print("no directory for compiled code: set SYMGRAD_CACHE_DIR")
        return 0
    print(f"{held.path}: {held.entries} compiled functions, {held.bytes / 1e6:.1f} MB{' removed' if clear else ''}")
    return 0
