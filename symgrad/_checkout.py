"""Make the folder `compiler/` of a checkout importable as `symgrad.compiler`.

In the wheel the folder stands inside the package and nothing happens here.  In a checkout it stands beside the
package, so that the compiler can be read and tested alone; a finder for this one name closes the gap.  An editable
install brings a finder of its own for the same folder, so whichever answers first gives the same module.  Adding the
root of the checkout to `symgrad.__path__` would be shorter, but would also make a second copy, `symgrad.symgrad`,
importable.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parent


class SiblingFinder(MetaPathFinder):
    """Finds `symgrad.compiler` in `folder`, and nothing else; its submodules are found through its path as usual."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "symgrad.compiler":
            return None
        return spec_from_file_location(
            fullname, self.folder / "__init__.py", submodule_search_locations=[str(self.folder)]
        )


def is_our_root(root: Path) -> bool:
    """Whether `root` holds symgrad's own pyproject; next to an installed package may stand anyone's `compiler`."""
    import tomllib  # in a checkout only, so that an installed package does not wait for it

    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == "symgrad"


if not (PACKAGE / "compiler").is_dir() and is_our_root(PACKAGE.parent):
    sys.meta_path.append(SiblingFinder(PACKAGE.parent / "compiler"))
