"""The real disk and the simulated one keep the same promises; the simulated one breaks what may be broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tankstreams.errors import DirectoryError, DiskError, DiskFull
from tankstreams.log.disk import Disk, RealDisk
from tankstreams.testing import PowerCut, SimulatedDisk


@pytest.fixture(params=["real", "simulated"])
def disk(request: Any) -> Disk:
    return RealDisk() if request.param == "real" else SimulatedDisk()


@pytest.fixture
def place(disk: Disk, tmp_path: Path) -> str:
    """A directory on the disk."""
    path = str(tmp_path / "a" / "b")
    disk.makedirs(path)
    return path


def test_what_is_written_is_read(disk: Disk, place: str) -> None:
    """Buffers go one after the other from a position; a gap reads as zeros; reads end at the end."""
    file = disk.open(f"{place}/f", write=True, create=True)
    file.write_at(2, [b"ab", memoryview(b"cd"), b""])
    assert file.read_at(0, 100) == b"\0\0abcd"
    file.truncate(3)
    assert (file.size(), file.read_at(2, 5), file.read_at(9, 1)) == (3, b"a", b"")
    file.sync()
    file.close()


def test_more_buffers_than_writev_takes(disk: Disk, place: str) -> None:
    """A call takes 1,024 buffers at most: the disk loops."""
    file = disk.open(f"{place}/f", write=True, create=True)
    pieces = [b"%d," % number for number in range(3000)]
    file.write_at(0, pieces)
    assert file.read_at(0, 1 << 20) == b"".join(pieces)
    file.close()


def test_a_short_write_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F13: the system may take less than it is given."""
    import os

    real = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda fd, buffers, at: real(fd, [bytes(buffers[0][:3])], at))
    file = RealDisk().open(str(tmp_path / "f"), write=True, create=True)
    file.write_at(0, [b"0123456789", b"abcdef"])
    monkeypatch.undo()
    assert file.read_at(0, 100) == b"0123456789abcdef"
    file.close()


def test_names(disk: Disk, place: str) -> None:
    """Making, listing, renaming, removing; what is missing is an error to open and none to remove."""
    for name in ("y", "x"):
        disk.open(f"{place}/{name}", write=True, create=True).close()
    assert disk.listdir(place) == ["x", "y"]
    disk.rename(f"{place}/x", f"{place}/y")
    assert (disk.listdir(place), disk.exists(f"{place}/x")) == (["y"], False)
    disk.unlink(f"{place}/y")
    disk.unlink(f"{place}/y")
    disk.sync_dir(place)
    disk.rmdir(place)
    assert disk.listdir(place) == []
    with pytest.raises(FileNotFoundError):
        disk.open(f"{place}/y")
    assert disk.free_bytes(place.rpartition("/")[0]) > 0


def test_f12_a_full_device_is_disk_full() -> None:
    """ENOSPC from the system is our error; Linux has a device that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    file = RealDisk().open("/dev/full", write=True)
    with pytest.raises(DiskFull, match="make space"):
        file.write_at(0, [b"x"])
    file.close()


def test_a_file_in_the_place_of_a_directory_is_said(tmp_path: Path) -> None:
    """One sentence, no OSError."""
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(DirectoryError, match="is not a directory"):
        RealDisk().makedirs(str(tmp_path / "f"))


def written(seed: int) -> SimulatedDisk:
    """Return a disk with 100 bytes synced and 9,000 that are not."""
    disk = SimulatedDisk(seed)
    disk.makedirs("d")
    file = disk.open("d/f", write=True, create=True)
    file.write_at(0, [b"s" * 100])
    file.sync()
    disk.sync_dir("d")
    file.write_at(100, [b"u" * 9000])
    disk.open("d/new", write=True, create=True).close()
    return disk


def test_f06_to_f10_a_crash_keeps_what_was_synced_and_any_part_of_the_rest() -> None:
    """Over many seeds: synced bytes always, un-synced ones all, none, cut, torn or zero; new names there or not."""
    seen = set()
    names = set()
    for seed in range(300):
        after = written(seed).crash()
        data = after.contents("d/f")
        assert data[:100] == b"s" * 100
        assert set(data[100:]) <= {ord("u"), 0}
        seen.add((len(data), data.count(b"u")))
        names.add(after.exists("d/new"))
    assert {(100, 0), (9100, 9000)} <= seen
    assert len(seen) > 20
    assert names == {True, False}


def test_the_same_seed_crashes_alike() -> None:
    """A failure can be played again."""
    assert written(7).crash().contents("d/f") == written(7).crash().contents("d/f")


def test_the_power_goes_at_the_operation_that_was_asked_for() -> None:
    """And nothing works after it, until there is a disk again."""
    disk = written(1)
    disk.cut_at = disk.operations + 2
    disk.sync_dir("d")
    with pytest.raises(PowerCut):
        disk.sync_dir("d")
    with pytest.raises(PowerCut):
        disk.open("d/f")
    assert disk.crash().open("d/f").read_at(0, 3) == b"sss"


def test_f12_f14_f15_a_simulated_disk_fills_and_fails() -> None:
    """A full disk takes what fits; failing writes and syncs raise, once each."""
    disk = SimulatedDisk(3, capacity=50)
    file = disk.open("f", write=True, create=True)
    with pytest.raises(DiskFull):
        file.write_at(0, [b"x" * 60])
    assert disk.free_bytes("") == 0
    disk.capacity = None
    disk.fail_writes = disk.fail_syncs = 1
    for call in (lambda: file.write_at(0, [b"y"]), file.sync):
        with pytest.raises(DiskError):
            call()
        call()
    disk.flip("f", 0, 0)
    assert file.read_at(0, 1) == b"x"
