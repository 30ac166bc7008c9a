"""A file, or a directory of files, that is there as a whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from kalloc.errors import OutputError

EXCHANGE = 2
"""Flag of renameat2: both names change places in one step."""
AT_FDCWD = -100


def publish(directory: Path, files: Iterable[tuple[str, bytes]], ours: Collection[str], mark: str) -> None:
    """Write files into a directory of their own and put it in place of ``directory`` in one step.

    Args:
        directory: where the files go; made with its parents where it is not there.
        files: names and contents, asked for one after the other while they are written.
        ours: the names that a directory may hold to be replaced; with anything else in it, it is refused.
        mark: the file that such a directory must hold, unless it is empty.

    Raises:
        OutputError: where that cannot be done; then everything is as it was.
    """
    target = check_target(directory, ours, mark)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
        try:
            for name, data in files:
                _write(draft / name, data)
            _sync(draft)
            _replace(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _sync(target.parent)
    except OSError as error:
        raise OutputError(f"cannot write {directory}: {error.strerror or error}") from error


def publish_file(path: Path, data: bytes) -> None:
    """Write one file, all or nothing; a file that was there is replaced in one step.

    Raises:
        OutputError: where that cannot be done; then everything is as it was.
    """
    try:
        target = path.resolve()
        if target.is_dir():
            raise OutputError(f"cannot write {path}: it is a directory; name a file")
        _check_parent(target)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(draft, data)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        _sync(target.parent)
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def check_target(directory: Path, ours: Collection[str], mark: str) -> Path:
    """Return the directory that would be written, links followed, or raise an OutputError that says why not."""
    try:
        target = directory.resolve()
        if not target.exists():
            _check_parent(target)
            return target
        if not target.is_dir():
            raise OutputError(f"cannot write {directory}: it is a file; name a directory")
        held = sorted(item.name for item in target.iterdir())
    except (OSError, RuntimeError) as error:
        raise OutputError(f"cannot write {directory}: {getattr(error, 'strerror', None) or error}") from error
    foreign = [name for name in held if name not in ours]
    if foreign or (held and mark not in held):
        what = f"it holds {foreign[0]!r}" if foreign else f"it holds no {mark!r}"
        raise OutputError(f"will not replace {directory}: {what}, so it is none of kalloc's; name another directory")
    if target == Path.cwd():
        raise OutputError(f"will not replace {directory}: it is the current directory; name another one")
    _check_parent(target)
    return target


def _check_parent(target: Path) -> None:
    parent = next(above for above in target.parents if above.exists())
    if not parent.is_dir():
        raise OutputError(f"cannot write {target}: {parent} is a file")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {target}: no permission to write in {parent}")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(directory: Path) -> None:
    """Have the names in a directory on the disk, where the system can do that."""
    if sys.platform != "win32":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _replace(draft: Path, target: Path) -> None:
    """Put the draft in the target's place; what was there is then under the draft's name."""
    if not target.exists():
        draft.rename(target)
    elif not _exchange(draft, target):
        aside = draft.with_suffix(".old")
        target.rename(aside)
        try:
            draft.rename(target)
        except OSError:
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two directories change places in one step; False where the system or its file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))
