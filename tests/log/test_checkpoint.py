"""The checkpoint file: whole or not there, and sound if either copy is."""

from __future__ import annotations

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from tankstreams.errors import DamagedLog, UnknownFormat
from tankstreams.log.checkpoint import (
    Checkpoint,
    Damage,
    load_checkpoint,
    pack_checkpoint,
    save_checkpoint,
    unpack_checkpoint,
)
from tankstreams.testing.disk import PowerCut, SimulatedDisk
from tests.log.helpers import overwrite


def checkpoint_of(journal: int = 3) -> Checkpoint:
    return Checkpoint(
        log_id=1 << 63,
        journal=journal,
        keep=2,
        state={"sequence": 17, "names": ("a", "b")},
        segments={(1, 0): ((0, 500), (10, 20)), (2, 3): ((0, 1),)},
        damage={(2, 3): Damage(4, 9, "a reason")},
    )


def saved(checkpoint: Checkpoint) -> SimulatedDisk:
    disk = SimulatedDisk()
    disk.makedirs("/log")
    save_checkpoint(disk, "/log", checkpoint)
    return disk


def test_a_checkpoint_comes_back_as_it_was() -> None:
    """With numbers up to 64 bits and tuples as tuples."""
    assert load_checkpoint(saved(checkpoint_of()), "/log") == checkpoint_of()
    assert load_checkpoint(SimulatedDisk(), "/log") is None


@given(st.data())
def test_f20_one_flipped_bit_costs_nothing(data: st.DataObject) -> None:
    """The file holds the checkpoint twice."""
    disk = saved(checkpoint_of())
    size = len(disk.contents("/log/checkpoint"))
    disk.flip("/log/checkpoint", data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 7)))
    assert load_checkpoint(disk, "/log") == checkpoint_of()


def test_f21_half_a_file_is_enough() -> None:
    """A file that was cut after its first copy."""
    disk = saved(checkpoint_of())
    size = len(disk.contents("/log/checkpoint"))
    disk.open("/log/checkpoint", write=True).truncate(size - 1)
    assert load_checkpoint(disk, "/log") == checkpoint_of()


def test_f20_two_damaged_copies_are_an_error_and_not_an_empty_log() -> None:
    """Nothing is guessed."""
    disk = saved(checkpoint_of())
    size = len(disk.contents("/log/checkpoint"))
    for place in (40, size // 2 + 40):
        overwrite(disk, "/log/checkpoint", place, b"\xff\xff\xff")
    with pytest.raises(DamagedLog, match="Both copies"):
        load_checkpoint(disk, "/log")


def test_f10_a_power_cut_leaves_the_old_checkpoint_or_the_new() -> None:
    """At whatever operation it comes."""
    for cut in range(1, 8):
        for seed in range(20):
            disk = saved(checkpoint_of(3))
            disk.random.seed(seed)
            disk.cut_at = disk.operations + cut
            try:
                save_checkpoint(disk, "/log", checkpoint_of(4))
            except PowerCut:
                assert load_checkpoint(disk.crash(), "/log") in (checkpoint_of(3), checkpoint_of(4))
            else:
                assert load_checkpoint(disk.crash(), "/log") == checkpoint_of(4)


def test_f36_another_version_is_refused() -> None:
    """With a right checksum it is another release's, not damage."""
    data = bytearray(pack_checkpoint(checkpoint_of()))
    data[8] = 2
    data[-4:] = crc32c(bytes(data[:-4])).to_bytes(4, "little")
    with pytest.raises(UnknownFormat, match="version 2"):
        unpack_checkpoint(bytes(data))
