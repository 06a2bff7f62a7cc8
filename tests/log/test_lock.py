"""A directory belongs to one open log at a time; whoever is refused is told who has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tankstreams.errors import DirectoryError, DirectoryLocked
from tankstreams.log.disk import RealDisk
from tankstreams.log.lock import DirectoryLock

HOLD = """
import sys
from tankstreams.log.disk import RealDisk
from tankstreams.log.lock import DirectoryLock
DirectoryLock(sys.argv[1], disk=RealDisk()).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_f39_another_process_is_named_by_its_pid(tmp_path: Path) -> None:
    """The lock goes with the process, also when it is killed."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        lock = DirectoryLock(str(tmp_path), disk=RealDisk())
        with pytest.raises(DirectoryLocked, match=f"in use by process {holder.pid}") as raised:
            lock.acquire()
        assert raised.value.pid == holder.pid
        holder.kill()
        holder.wait()
        lock.acquire()
        assert lock.held
        lock.release()


def test_a_second_open_in_the_process_is_refused(tmp_path: Path) -> None:
    """A record lock does not protect within a process; the registry does, through links too."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    first = DirectoryLock(str(tmp_path), disk=RealDisk())
    first.acquire()
    with pytest.raises(DirectoryLocked, match=f"process {os.getpid()}"):
        DirectoryLock(str(link), disk=RealDisk()).acquire()
    first.release()
    second = DirectoryLock(str(tmp_path), disk=RealDisk())
    second.acquire()
    second.release()
    assert not second.held


def test_f04_a_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    """It has the memory of its parent and another pid."""
    lock = DirectoryLock(str(tmp_path), disk=RealDisk())
    lock.acquire()
    child = os.fork()
    if child == 0:
        os._exit(1 if lock.held else 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert lock.held
    lock.release()


def test_a_network_file_system_is_refused(tmp_path: Path) -> None:
    """Neither locks nor syncs can be trusted there."""

    class Remote(RealDisk):
        def network_file_system(self, path: str) -> str | None:
            return "nfs4"

    with pytest.raises(DirectoryError, match=r"network file system \(nfs4\)"):
        DirectoryLock(str(tmp_path), disk=Remote()).acquire()
