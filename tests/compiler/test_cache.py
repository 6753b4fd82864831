"""Compiled code on disk: found again, never trusted when damaged, bounded, and no error where it cannot be kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from symgrad.compiler import cache

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    path = tmp_path / "kept"
    monkeypatch.setenv(cache.VARIABLE, str(path))
    return path


def never() -> bytes:
    raise AssertionError("made again")


def test_made_once(place: Path) -> None:
    assert cache.kept(["a", "b"], lambda: b"code") == b"code"
    assert cache.kept(["a", "b"], never) == b"code"
    assert cache.contents() == cache.Contents(place, 1, 32 + 4)


def test_every_fact_decides(place: Path) -> None:
    """Also how they are cut: ("a", "b") is not ("ab", "")."""
    facts = [("a", "b"), ("ab", ""), ("", "ab"), ("a",), ("a", "b", ""), ("a", "c")]
    for k, fact in enumerate(facts):
        assert cache.kept(fact, lambda k=k: bytes([k])) == bytes([k])  # type: ignore[misc]
    assert cache.contents().entries == len(facts)


def spoil(kind: str, data: bytes) -> bytes:
    match kind:
        case "empty":
            return b""
        case "short":
            return data[:-1]
        case "long":
            return data + b"x"
        case "changed":
            return data[:-1] + bytes([data[-1] ^ 1])
        case "checksum":
            return bytes([data[0] ^ 1]) + data[1:]
    return b"something else entirely, written by another program"


@pytest.mark.parametrize("kind", ["empty", "short", "long", "changed", "checksum", "foreign"])
def test_damaged_entries_are_made_anew(place: Path, kind: str) -> None:
    cache.kept(["f"], lambda: b"code")
    (file,) = place.iterdir()
    file.write_bytes(spoil(kind, file.read_bytes()))
    assert cache.kept(["f"], lambda: b"fresh") == b"fresh"
    assert cache.kept(["f"], never) == b"fresh"


def test_an_entry_under_another_name_is_not_taken(place: Path) -> None:
    cache.kept(["f"], lambda: b"f")
    (first,) = place.iterdir()
    cache.kept(["g"], lambda: b"g")
    (second,) = set(place.iterdir()) - {first}
    second.write_bytes(first.read_bytes())
    assert cache.kept(["g"], lambda: b"fresh") == b"fresh"


def test_least_recently_used_entries_go(place: Path) -> None:
    for k in range(6):
        cache.kept([str(k)], lambda: b"x" * 68)
        (file,) = [f for f in place.iterdir() if f.stat().st_mtime > 1e9]
        os.utime(file, (k, k))
    cache.kept(["0"], never)  # used just now
    cache.trim(place, 300)
    assert cache.contents().bytes <= 300
    for k in (0, 4, 5):
        cache.kept([str(k)], never)
    assert cache.contents().entries == 3


def test_the_directory_stays_bounded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 10_000)
    for k in range(1000):
        cache.kept([str(k)], lambda: b"x" * 68)
    assert cache.contents().bytes < 30_000


def test_unfinished_files_of_the_dead_go(place: Path) -> None:
    place.mkdir(mode=0o700)
    old, young = place / f"a{cache.UNFINISHED}", place / f"b{cache.UNFINISHED}"
    old.touch()
    young.touch()
    os.utime(old, (0, time.time() - 1e5))
    cache.trim(place, cache.LIMIT)
    assert list(place.iterdir()) == [young]


def test_no_directory_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "below", Path(os.devnull)):
        monkeypatch.setenv(cache.VARIABLE, str(path))
        assert cache.kept(["f"], lambda: b"code") == b"code"
        assert cache.contents().entries == 0
        assert cache.clear().entries == 0
    assert file.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_directory_that_others_write_to_is_not_trusted(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)
    assert cache.kept(["f"], lambda: b"code") == b"code"
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("platform", "variable", "value", "end"),
    [
        ("linux", "XDG_CACHE_HOME", "/somewhere", "/somewhere/symgrad"),
        ("linux", "XDG_CACHE_HOME", "relative", "/home/ada/.cache/symgrad"),
        ("linux", "XDG_CACHE_HOME", "", "/home/ada/.cache/symgrad"),
        ("darwin", "XDG_CACHE_HOME", "/somewhere", "/home/ada/Library/Caches/symgrad"),
        ("linux", cache.VARIABLE, "/chosen", "/chosen"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_directories(monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, value: str, end: str) -> None:
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, value)
    assert cache.directory() == Path(end)


def test_many_processes_at_once(place: Path) -> None:
    """All write and read the same entries, while the directory is made smaller again and again."""
    program = """
from symgrad.compiler import cache
cache.LIMIT = 20_000
for k in range(300):
    facts = [str(k % 40)]
    assert cache.kept(facts, lambda: facts[0].encode() * 1000) == facts[0].encode() * 1000
"""
    running = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert not list(place.glob(f"*{cache.UNFINISHED}"))


def test_a_second_process_uses_the_code_of_the_first(place: Path) -> None:
    program = """
import symgrad as sg
from symgrad.compiler import kernel
if {second}:
    def object_code(*_): raise AssertionError("compiled again")
    kernel.object_code = object_code
f = sg.compile(sg.parse("sum(log(1 + exp(-y * (X @ w))))", X="m,n", y="m", w="n"), wrt="w")
print(f.value_and_grad([0.1, 0.2], [[1, 2], [3, 4], [5, -6]], [1, -1, 1]))
"""
    printed = [
        subprocess.run([sys.executable, "-c", program.format(second=second)], cwd=ROOT, check=True, capture_output=True)
        for second in (False, True)
    ]
    assert printed[0].stdout == printed[1].stdout
    assert cache.contents().entries >= 1


def test_matrix_products_are_compiled_once_for_all_programs(place: Path) -> None:
    program = """
import numpy as np
import symgrad as sg
from symgrad.compiler import kernel
made, make = [], kernel.object_code
def object_code(text, target, *effort):
    made.append("@product.whole.f64" in text and "define void @product.whole.f64" in text)
    return make(text, target, *effort)
kernel.object_code = object_code
a = np.arange(10_000.0).reshape(100, 100) % 7
f = sg.compile(sg.parse("{formula}", A="m,n", B="n,k"))
assert np.array_equal(f(a, a), {expected})
print(made)
"""
    cases = (("A @ B", "a @ a"), ("(A + 1) @ B", "(a + 1) @ a"))
    printed = [
        subprocess.run(
            [sys.executable, "-c", program.format(formula=formula, expected=expected)],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout.strip()
        for formula, expected in cases
    ]  # fmt: skip
    assert printed == ["[True, False]", "[False]"]
