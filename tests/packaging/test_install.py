"""symgrad imports the same from its wheel, from an editable install and in a bare checkout."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest

from .conftest import ROOT, Environment

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
assert "symgrad.symgrad" not in sys.modules and "compiler" not in sys.modules
import symgrad, symgrad.compiler
print(symgrad.__version__)
print(symgrad.__file__)
print(symgrad.compiler.__file__)
"""


def in_wheel(path: Path) -> str:
    """Where the wheel holds a file of the checkout."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts if parts[0] == "symgrad" else ("symgrad", *parts))


FILES = [
    path
    for folder in ("symgrad", "compiler")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and "__pycache__" not in path.parts
]
MODULES = [
    in_wheel(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for path in FILES
    if path.suffix == ".py" and path.stem != "__main__"
]


@pytest.fixture(params=["installed", "editable", "checkout"])
def environment(request: pytest.FixtureRequest) -> Environment:
    found: Environment = request.getfixturevalue(request.param)
    return found


def test_every_module_imports(environment: Environment, tmp_path: Path) -> None:
    version, package, compiler = environment.run("-c", IMPORT_ALL, *MODULES, cwd=tmp_path).splitlines()
    assert version
    assert ROOT not in Path(package).parents  # not the working tree that runs this test
    inside = environment.site in Path(package).parents
    assert Path(compiler).parent == (Path(package).parent if inside else Path(package).parents[1]) / "compiler"


def test_a_compiler_of_the_user_is_left_alone(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "compiler.py").write_text("whose = 'mine'\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    program = "import symgrad.compiler, compiler; print(compiler.whose, symgrad.compiler.__name__)"
    assert environment.run("-c", program, cwd=tmp_path) == "mine symgrad.compiler\n"


def test_bare_checkout_is_found_in_the_working_folder(checkout: Environment) -> None:
    root = checkout.pythonpath
    assert root is not None
    program = "import symgrad.compiler; print(symgrad.compiler.__file__)"
    printed = Environment(checkout.python, checkout.site).run("-c", program, cwd=root)
    assert Path(printed.strip()) == root / "compiler" / "__init__.py"


@pytest.mark.parametrize("pyproject", [None, "not [ toml", "[project]\nname = 'other'\n", "project = 1\n"])
def test_a_sibling_of_others_is_not_taken(pyproject: str | None, checkout: Environment, tmp_path: Path) -> None:
    """A `compiler` beside the package counts only under symgrad's own pyproject."""
    (tmp_path / "symgrad").mkdir()
    (tmp_path / "compiler").mkdir()
    (tmp_path / "symgrad" / "__init__.py").write_text("from . import _checkout\n")
    (tmp_path / "symgrad" / "_checkout.py").write_bytes((ROOT / "symgrad" / "_checkout.py").read_bytes())
    (tmp_path / "compiler" / "__init__.py").touch()
    if pyproject is not None:
        (tmp_path / "pyproject.toml").write_text(pyproject)
    program = "import importlib.util; print(importlib.util.find_spec('symgrad.compiler'))"
    alone = Environment(checkout.python, checkout.site, pythonpath=tmp_path)
    assert alone.run("-c", program, cwd=tmp_path) == "None\n"


def test_data_and_type_marker_are_installed(installed: Environment, tmp_path: Path) -> None:
    program = "import symgrad.data as d; print(d.load_iris().features.shape, d.load_digits().features.shape)"
    assert installed.run("-c", program, cwd=tmp_path) == "(150, 4) (1797, 64)\n"
    assert (installed.site / "symgrad" / "py.typed").is_file()


def test_the_command_is_installed(installed: Environment, tmp_path: Path) -> None:
    program = "import subprocess, sys; sys.exit(subprocess.call([sys.argv[1], '--help']))"
    assert "usage: symgrad" in installed.run("-c", program, str(installed.python.with_name("symgrad")), cwd=tmp_path)


def test_wheel_holds_one_top_level_name_and_every_source(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    version = wheel.name.split("-")[1]
    metadata = f"symgrad-{version}.dist-info"
    assert {name.split("/")[0] for name in names} == {"symgrad", metadata}
    assert {name for name in names if not name.startswith(metadata)} == {in_wheel(path) for path in FILES}


def test_packages_are_listed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["packages"]
    folders = {in_wheel(path).rpartition("/")[0].replace("/", ".") for path in FILES if path.suffix == ".py"}
    assert set(listed) == folders, "list new packages in pyproject.toml under [tool.setuptools]"
