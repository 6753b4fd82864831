"""Object code kept on disk from process to process, per user.

An entry is a file named by a digest of all that decides its content; it opens with a checksum, so that what is cut
short, damaged or foreign is never loaded.  Files appear under their name only when they are complete, so any number
of processes may read and write at once.  Nothing here ever raises: where there is no usable directory, nothing is
kept.  The environment variable SYMGRAD_CACHE_DIR names another directory (`os.devnull` keeps nothing).
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from .records import record

try:
    from _blake2 import blake2b  # what hashlib gives, without loading OpenSSL
except ImportError:
    from hashlib import blake2b

VARIABLE = "SYMGRAD_CACHE_DIR"
LIMIT = 256 * 2**20
"""Bytes that the directory may hold; the entries that were used least recently go first."""
SUFFIX, UNFINISHED = ".code", ".part"
_DIGEST = 32
_ABANDONED = 3600.0
"""Seconds after which an unfinished file belongs to no living writer."""


@record(frozen=True, slots=True)
class Contents:
    """What the directory holds: the number of entries and their bytes."""

    path: Path | None
    entries: int
    bytes: int


def directory() -> Path | None:
    """The directory of the cache, which may not exist yet; None where the system names no place for one."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return Path(base, "symgrad") if os.path.isabs(base) else None


def kept(facts: Sequence[str], make: Callable[[], bytes]) -> bytes:
    """The bytes that `make` gives, from disk where they are known for the same `facts`, which must decide them."""
    found = find(facts)
    if found is None:
        found = make()
        keep(facts, found)
    return found


def find(facts: Sequence[str]) -> bytes | None:
    """The bytes kept for `facts`, if there are any."""
    key = digest(*(fact.encode() for fact in facts))
    path = _entry(key)
    return None if path is None else _read(path, key)


def keep(facts: Sequence[str], content: bytes) -> None:
    """Keeps `content` for `facts`, which must decide it."""
    key = digest(*(fact.encode() for fact in facts))
    path = _entry(key)
    if path is not None and _write(path, key, content) and key[0] < 16:  # one time in sixteen: looking costs more
        trim(path.parent, LIMIT)


def usable() -> bool:
    """Whether anything can be kept."""
    return _entry(b"") is not None


def contents() -> Contents:
    """What is kept now."""
    path = directory()
    sizes = [size for _, size, _ in _files(path)]
    return Contents(path, len(sizes), sum(sizes))


def clear() -> Contents:
    """Removes every entry; what was kept before."""
    before = contents()
    if before.path is not None:
        trim(before.path, 0)
    return before


def trim(path: Path, limit: int) -> None:
    """Removes the entries used least recently until `limit` bytes are left, and what crashed writers left."""
    total = 0
    for _, size, file in sorted(_files(path), reverse=True):
        total += size
        if total > limit:
            _remove(file)
    for used, _, file in _files(path, UNFINISHED):
        if used < time.time() - _ABANDONED or not limit:
            _remove(file)


def digest(*parts: bytes) -> bytes:
    """A digest of `parts` and of where one ends and the next begins."""
    found = blake2b(digest_size=_DIGEST)
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.digest()


def _entry(key: bytes) -> Path | None:
    """The file for `key` in a directory that nobody else may write to: its content is run."""
    path = directory()
    if path is None:
        return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    others = stat.S_IWGRP | stat.S_IWOTH
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & others):
        return None
    return path / f"{key.hex()}{SUFFIX}"


def _read(path: Path, key: bytes) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_DIGEST:]
    if data[:_DIGEST] != digest(key, content):
        _remove(path)
        return None
    with suppress(OSError):
        os.utime(path)
    return content


def _write(path: Path, key: bytes, content: bytes) -> bool:
    """Writes an entry; whether that worked."""
    name = None
    try:
        number, name = tempfile.mkstemp(UNFINISHED, dir=path.parent)
        with os.fdopen(number, "wb") as file:
            file.write(digest(key, content) + content)
        os.replace(name, path)
    except OSError:  # a full disk, a quota, a file that another process holds open
        if name is not None:
            _remove(Path(name))
        return False
    return True


def _files(path: Path | None, suffix: str = SUFFIX) -> list[tuple[float, int, Path]]:
    """The time of last use, the size and the path of every entry."""
    found: list[tuple[float, int, Path]] = []
    if path is None:
        return found
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if entry.name.endswith(suffix):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, Path(entry.path)))
    return found


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
