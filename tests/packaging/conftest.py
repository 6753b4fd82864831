"""The three ways to have symgrad, each made once per session from a copy of the sources, without the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ["pyproject.toml", "README.md", "LICENSE", "symgrad", "compiler"]


@dataclass(frozen=True)
class Environment:
    """A virtual environment that also sees the packages of the running one, and a folder with symgrad's checkout."""

    python: Path
    site: Path
    pythonpath: Path | None = None

    def run(self, *arguments: str, cwd: Path) -> str:
        """What `python *arguments` prints in the folder `cwd`; its error output is part of the failure."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environ |= {"PYTHONPATH": str(self.pythonpath)} if self.pythonpath else {}
        done = subprocess.run(
            [self.python, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, *arguments: str, cwd: Path) -> None:
        """`pip install`, taking nothing but what is named from anywhere."""
        self.run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation", *arguments, cwd=cwd)


def new_environment(folder: Path, pythonpath: Path | None = None) -> Environment:
    """A fresh environment; a line in a .pth file lends it numpy and all else, but no editable install."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    paths = sysconfig.get_paths(scheme="venv", vars={"base": str(folder), "platbase": str(folder)})
    site = Path(paths["purelib"])
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Environment(Path(paths["scripts"]) / Path(sys.executable).name, site, pythonpath)


def copy_sources(folder: Path) -> Path:
    """A checkout in `folder`, without what builds and caches left behind."""
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, folder], cwd=copy_sources(folder / "sources"), check=True, capture_output=True
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """symgrad from its wheel."""
    environment = new_environment(tmp_path_factory.mktemp("installed"))
    environment.install(str(wheel), cwd=wheel.parent)
    return environment


@pytest.fixture(scope="session")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """symgrad as an editable install of a checkout."""
    folder = tmp_path_factory.mktemp("editable")
    environment = new_environment(folder / "venv")
    environment.install("-e", str(copy_sources(folder / "checkout")), cwd=folder)
    return environment


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """symgrad in a checkout that is found by PYTHONPATH, with nothing installed but what it depends on."""
    folder = tmp_path_factory.mktemp("bare")
    return new_environment(folder / "venv", pythonpath=copy_sources(folder / "checkout"))
