"""Recovery: what is found after a crash, and what is done about damage."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from tankstreams.errors import DamagedBundle, DamagedLog, DirectoryError, DirectoryLocked, TopicNotFound
from tankstreams.log.fetch import FetchRequest
from tankstreams.log.journalscan import Lost, Sound, scan_file
from tankstreams.log.records import TopicPartition
from tankstreams.log.replay import judge
from tankstreams.testing.disk import PowerCut, SimulatedDisk
from tests.log.helpers import (
    DIRECTORY,
    acquire,
    append,
    commit_task,
    create,
    fetch,
    journals,
    killed,
    overwrite,
    started,
    values_of,
)


def groups_of(disk: SimulatedDisk) -> list[Sound]:
    """Return the groups in the newest journal file."""
    path = journals(disk)[-1]
    return [item for item in scan_file(disk.open(path), 0, None, 0) if isinstance(item, Sound)]


def rot_bundle(disk: SimulatedDisk, group: Sound) -> None:
    """Flip a bit of the last bundle of a group."""
    end = group.position + group.head.length - group.head.head_bytes
    disk.flip(journals(disk)[-1], end - 1, 3)


def rot_heads(disk: SimulatedDisk, group: Sound) -> None:
    """Flip a bit in both heads of a group."""
    disk.flip(journals(disk)[-1], group.position + 9, 1)
    disk.flip(journals(disk)[-1], group.position + group.head.length - 1, 1)


def test_f01_a_killed_process_loses_nothing() -> None:
    """Records, positions and topics are there in the next start, from the journal alone."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t", 2)
    append(core, "t", b"a", b"b")
    append(core, "t", b"c", partition=1)
    state = acquire(core, "task")["task"]
    commit_task(core, "task", state, 1, position=2)
    again = started(killed(disk))
    assert values_of(again, "t") == [b"a", b"b"]
    assert values_of(again, "t", partition=1) == [b"c"]
    assert again.task_states("g")["task"].positions == {TopicPartition("t", 0): 2}
    assert append(again, "t", b"d") == 2


def test_f05_a_clean_stop_leaves_nothing_to_replay() -> None:
    """One journal file without groups, and the checkpoint."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    core.stop()
    assert groups_of(disk) == []
    assert len(journals(disk)) == 1
    assert values_of(started(disk), "t") == [b"a"]


def test_every_start_has_a_higher_epoch() -> None:
    """Bundles tell which start wrote them, so that what is rewritten after a loss can be told."""
    disk = SimulatedDisk()
    epochs = []
    for _ in range(3):
        core = started(disk)
        epochs.append(groups_of(disk)[0].head.entries[0])
        core.stop()
        disk = killed(disk)
    assert [getattr(entry, "epoch", None) for entry in epochs] == [1, 2, 3]


def test_f11_recovery_that_is_cut_at_any_operation_starts_again() -> None:
    """A crash in recovery, at each step, changes nothing that the next one reads."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t", 1, {"segment_bytes": 4096})
    for number in range(20):
        append(core, "t", b"%d" % number * 100)
    for cut in range(1, 40):
        copy = killed(disk)
        copy.cut_at = copy.operations + cut
        with suppress(PowerCut):
            started(copy)
        again = started(copy.crash())
        assert len(values_of(again, "t")) == 20
        again.stop()


def test_f20_rot_in_a_bundle_refuses_its_partition_alone() -> None:
    """The others, and positions in the same group, hold; what was readable before the journal's part is read."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t", 2)
    append(core, "t", b"old")
    core.checkpoint()
    append(core, "t", b"rots")
    append(core, "t", b"good", partition=1)
    append(core, "t", b"later")
    append(core, "t", b"last", partition=1)
    after = killed(disk)
    rot_bundle(after, groups_of(after)[0])
    for _ in range(2):
        again = started(after)
        assert values_of(again, "t", partition=1)[:2] == [b"good", b"last"]
        got = fetch(again, "t")
        assert [record.values for record in got.records] == [[b"old"]]
        assert isinstance(fetch(again, "t", 1).error, DamagedBundle)
        assert fetch(again, "t", 3).drained
        with pytest.raises(DamagedBundle, match="offsets 1 to 2"):
            append(again, "t", b"refused")
        append(again, "t", b"more", partition=1)
        again.stop()
        assert len(journals(after)) > 1, "the journal with the rot must stay"


def test_f20_rot_that_hides_what_a_group_did_makes_the_log_read_only() -> None:
    """It opens at its checkpoint, touches nothing, and says so where more would follow."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"old")
    core.checkpoint()
    append(core, "t", b"hidden")
    append(core, "t", b"later")
    after = killed(disk)
    rot_heads(after, groups_of(after)[0])
    before = {path: after.contents(path) for path in after.paths()}
    again = started(after)
    assert fetch(again, "t").records[0].values == [b"old"]
    assert isinstance(fetch(again, "t", 1).error, DamagedLog)
    with pytest.raises(DamagedLog, match="takes no writes until it is repaired"):
        append(again, "t", b"refused")
    again.stop()
    assert {path: after.contents(path) for path in after.paths() if not path.endswith("OWNER")} == {
        path: data for path, data in before.items() if not path.endswith("OWNER")
    }


def test_f24_one_rotten_head_costs_nothing() -> None:
    """The other copy of the metadata is enough."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    append(core, "t", b"b")
    after = killed(disk)
    after.flip(journals(after)[-1], groups_of(after)[1].position + 9, 1)
    assert values_of(started(after), "t") == [b"a", b"b"]


def test_f08_damage_in_the_last_group_is_the_crashs() -> None:
    """Nothing after it says that it was synced: it is dropped whole, and the log serves."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    append(core, "t", b"torn")
    after = killed(disk)
    rot_bundle(after, groups_of(after)[-1])
    again = started(after)
    assert values_of(again, "t") == [b"a"]
    assert append(again, "t", b"b") == 1


def test_an_idle_log_records_its_last_sync() -> None:
    """So that rot in its last group is known for what it is."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t", 2)
    append(core, "t", b"a")
    core.clock.advance(1_000)  # type: ignore[attr-defined]  # tests use the manual clock
    core.tick()
    after = killed(disk)
    rot_bundle(after, groups_of(after)[-2])
    again = started(after)
    assert isinstance(fetch(again, "t").error, DamagedBundle)


def test_f25_a_journal_file_that_is_missing_is_noticed() -> None:
    """The checkpoint names it; the log opens for reads."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    after = killed(disk)
    after.unlink(journals(after)[-1])
    again = started(after)
    with pytest.raises(DamagedLog, match="is missing"):
        create(again, "u")


def test_f40_an_older_checkpoint_with_newer_journals_is_noticed() -> None:
    """A part of the directory was put back from a backup."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    old = disk.contents(f"{DIRECTORY}/checkpoint")
    append(core, "t", b"a")
    core.checkpoint()
    append(core, "t", b"b")
    after = killed(disk)
    file = after.open(f"{DIRECTORY}/checkpoint", write=True)
    file.truncate(0)
    file.write_at(0, [old])
    with pytest.raises(DamagedLog, match="is missing"):
        create(started(after), "u")


def test_f40_files_of_another_log_are_noticed() -> None:
    """A journal file that was put in from elsewhere."""
    disks = [SimulatedDisk(), SimulatedDisk()]
    for disk in disks:
        create(started(disk), "t")
    mine, other = killed(disks[0]), disks[1]
    file = mine.open(journals(mine)[-1], write=True)
    file.truncate(0)
    file.write_at(0, [other.contents(journals(other)[-1])])
    with pytest.raises(DamagedLog, match="of log"):
        create(started(mine), "u")


def test_f25_a_missing_checkpoint_is_not_taken_for_an_empty_log() -> None:
    """There is no state to open, so the start is refused."""
    disk = SimulatedDisk()
    create(started(disk), "t")
    after = killed(disk)
    after.unlink(f"{DIRECTORY}/checkpoint")
    with pytest.raises(DamagedLog, match="checkpoint is missing"):
        started(after)


def test_f25_a_lost_or_damaged_meta_file_is_written_again() -> None:
    """The checkpoint knows the log's id too."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    for damage in ("gone", "bad"):
        after = killed(disk)
        if damage == "gone":
            after.unlink(f"{DIRECTORY}/meta.json")
        else:
            overwrite(after, f"{DIRECTORY}/meta.json", 0, b"?")
        assert values_of(started(after), "t") == [b"a"]
        assert after.exists(f"{DIRECTORY}/meta.json")


def test_f20_a_damaged_journal_header_costs_nothing() -> None:
    """Its groups say what file they belong to."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    after = killed(disk)
    after.flip(journals(after)[-1], 20, 0)
    assert values_of(started(after), "t") == [b"a"]


def test_f38_a_deleted_topic_leaves_no_files_and_no_records_to_its_namesake() -> None:
    """Also when the process was killed before the files were removed."""
    disk = SimulatedDisk()
    core = started(disk)
    first = create(core, "t")
    append(core, "t", b"old")
    leftover = killed(disk)
    core.settle(core.submit_delete_topic("t"))
    assert not any(f"/topics/{first}/" in path for path in disk.paths())
    after = killed(disk)
    for path in leftover.paths():
        if f"/topics/{first}/" in path:
            after.makedirs(path.rpartition("/")[0])
            after.open(path, write=True, create=True).write_at(0, [leftover.contents(path)])
    again = started(after)
    assert not any(f"/topics/{first}/" in path for path in after.paths())
    with pytest.raises(TopicNotFound):
        fetch(again, "t")
    assert create(again, "t") == first + 1
    assert values_of(again, "t") == []


def test_f39_a_second_owner_is_refused() -> None:
    """Within the process too."""
    disk = SimulatedDisk()
    core = started(disk)
    with pytest.raises(DirectoryLocked):
        started(disk)
    core.stop()
    started(disk).stop()


def test_a_directory_with_other_things_in_it_is_refused() -> None:
    """Nobody's files are mixed with a log's."""
    disk = SimulatedDisk()
    disk.makedirs(DIRECTORY)
    disk.open(f"{DIRECTORY}/thesis.txt", write=True, create=True)
    with pytest.raises(DirectoryError, match=r"holds no log \('thesis.txt' is there\)"):
        started(disk)


def test_damage_above_what_was_synced_drops_all_behind_it() -> None:
    """The rule, as the code has it."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    groups = groups_of(disk)
    assert judge(groups, durable=0).groups == groups
    damaged = replace(groups[1], damaged=())
    assert judge([groups[0], Lost(1, 2, 3), damaged], durable=1).lost is None
    assert judge([groups[0], Lost(1, 2, 3), damaged], durable=1).groups == groups[:1]
    assert judge([groups[0], Lost(1, 2, 3), damaged], durable=2).lost == Lost(1, 2, 3)


def test_a_fetch_of_many_partitions_goes_on_beside_a_damaged_one() -> None:
    """Errors are by partition."""
    disk = SimulatedDisk()
    core = started(disk)
    create(core, "t", 2)
    append(core, "t", b"a")
    append(core, "t", b"b", partition=1)
    core.checkpoint()
    path = next(path for path in disk.paths() if path.endswith("/0/00000000000000000000.log"))
    disk.flip(path, len(disk.contents(path)) - 1, 1)
    got = core.fetch(FetchRequest({TopicPartition("t", 0): "beginning", TopicPartition("t", 1): "beginning"}))
    assert isinstance(got[TopicPartition("t", 0)].error, DamagedBundle)
    assert got[TopicPartition("t", 0)].next_offset == 0
    assert got[TopicPartition("t", 1)].records[0].values == [b"b"]
