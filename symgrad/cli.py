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
    chosen = parser.parse_args(arguments)
    status: int = chosen.run()
    return status


def demo() -> int:
    """Print the demo."""
    from .demo import run

    run()
    return 0
