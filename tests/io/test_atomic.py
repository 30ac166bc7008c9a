"""A plan on disk is whole at every moment: the old one until the new one is complete, whatever breaks."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kalloc.io.atomic as atomic
from kalloc.errors import OutputError
from kalloc.io import read_plan, read_summary, stray_tables, write_result
from tests.io.plans import result

STEPS = ("open", "os.mkdir", "os.rename", "os.rmdir", "os.remove", "os.scandir", "os.listdir", "ctypes.dlsym", "fsync")
"""Audit events of what touches the disk; ctypes.dlsym comes right before the exchange."""

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def child(act: Callable[[], None]) -> int:
    """Run something in a forked process and return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def write_with_fault(directory: Path, step: int, fault: Callable[[], None]) -> None:
    """Write a plan of 16 GPUs, with a fault at one step; exits 0 when done, 3 when that was refused."""
    seen = 0
    sync = os.fsync

    def hook(event: str, arguments: object) -> None:
        nonlocal seen
        if event in STEPS:
            seen += 1
            if seen == step:
                fault()

    def loud_sync(fd: Any) -> None:
        sys.audit("fsync")
        sync(fd)

    os.fsync = loud_sync
    sys.addaudithook(hook)
    try:
        write_result(result(gpus=16), directory)
    except OutputError:
        os._exit(3)
    os._exit(0 if seen < step else 4)


def kill() -> None:
    """Die at once, as by SIGKILL."""
    os._exit(9)


def no_space() -> None:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device")


def whole(directory: Path) -> int:
    """Return the GPUs of the plan in a directory after a look at all its files."""
    plan = read_plan(directory)
    assert stray_tables(plan, directory) == []
    assert read_summary(directory)["gpus"]["allocated"] == plan.grants[0].gpus
    assert len(list(directory.iterdir())) == 6
    return plan.grants[0].gpus


@forking
@pytest.mark.parametrize("there", [True, False])
def test_killed_at_every_step(tmp_path: Path, there: bool) -> None:
    """Killed at any step, the writer leaves the old plan whole or the new one, and the next run replaces it."""
    outcomes = set()
    for step in range(1, 100):
        target = tmp_path / str(step) / "plan"
        target.parent.mkdir()
        if there:
            write_result(result(), target)
        status = child(lambda target=target, step=step: write_with_fault(target, step, kill))  # type: ignore[misc]
        if status == 0:
            break
        assert status == 9
        outcomes.add(whole(target) if target.exists() else None)
        write_result(result(gpus=16), target)
        assert whole(target) == 16
    assert status == 0
    assert step > 10
    assert outcomes == ({8, 16} if there else {None, 16})


@forking
def test_failing_at_every_step(tmp_path: Path) -> None:
    """When the disk is full at any step, the old plan stays, is said to, and nothing half written is left."""
    refused = 0
    for step in range(1, 100):
        target = tmp_path / str(step) / "plan"
        target.parent.mkdir()
        write_result(result(), target)
        status = child(lambda target=target, step=step: write_with_fault(target, step, no_space))  # type: ignore[misc]
        if status == 0:
            break
        if status == 3 and whole(target) == 8:
            refused += 1
            assert [file.name for file in target.parent.iterdir()] == ["plan"]
        else:
            assert whole(target) == 16
    assert status == 0
    assert refused > 8


def test_without_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two directories cannot change places, the old one steps aside, and comes back if the new one fails."""
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    write_result(result(), tmp_path / "plan")
    write_result(result(gpus=16), tmp_path / "plan")
    assert whole(tmp_path / "plan") == 16
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            no_space()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match="No space left"):
        write_result(result(), tmp_path / "plan")
    assert whole(tmp_path / "plan") == 16
    assert [file.name for file in tmp_path.iterdir()] == ["plan"]


def test_through_a_link(tmp_path: Path) -> None:
    """A link to a plan's directory stays a link, and what it leads to is replaced."""
    write_result(result(), tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_result(result(gpus=16), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert whole(tmp_path / "real") == 16


def test_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory is not pulled away from under its user."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="current directory"):
        write_result(result(), Path())


def test_loop_of_links(tmp_path: Path) -> None:
    """A loop of links is refused with a sentence."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OutputError, match="cannot write"):
        write_result(result(), tmp_path / "loop")


def test_one_file(tmp_path: Path) -> None:
    """A file is written with the directories above it, and replaced as a whole."""
    target = tmp_path / "a" / "b.xlsx"
    atomic.publish_file(target, b"one")
    atomic.publish_file(target, b"two")
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["b.xlsx"]


def test_one_file_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory is not taken for a file; where writing fails, the file that was there stays alone."""
    with pytest.raises(OutputError, match="it is a directory; name a file"):
        atomic.publish_file(tmp_path, b"")
    target = tmp_path / "b.xlsx"
    target.write_bytes(b"one")
    monkeypatch.setattr(os, "fsync", lambda handle: no_space())
    with pytest.raises(OutputError, match="No space left"):
        atomic.publish_file(target, b"two")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b.xlsx": b"one"}
