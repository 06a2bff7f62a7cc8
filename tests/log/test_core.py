"""The core: deciding, group commit, fencing, and what trouble with the disk does."""

from __future__ import annotations

import threading

import pytest

from tankstreams.errors import (
    ConfigError,
    DiskError,
    DiskFull,
    InvalidTopicName,
    LogClosed,
    LogPoisoned,
    OffsetOutOfRange,
    PartitionNotFound,
    ProducerOutOfOrder,
    RecordRefused,
    TopicExists,
    TopicNotFound,
)
from tankstreams.log.commit import Append, Commit, Committed, Fenced, TaskCommit
from tankstreams.log.core import LogCore
from tankstreams.log.fetch import AtTime, FetchRequest
from tankstreams.log.records import TopicPartition
from tankstreams.log.settings import LogSettings
from tankstreams.testing.clock import ManualClock
from tankstreams.testing.disk import SimulatedDisk
from tests.log.disks import PickyDisk
from tests.log.helpers import (
    DIRECTORY,
    acquire,
    append,
    bundle_of,
    commit_task,
    create,
    fetch,
    journals,
    killed,
    started,
    values_of,
)


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk()


@pytest.fixture
def core(disk: SimulatedDisk) -> LogCore:
    """A started log with a topic ``t`` of two partitions."""
    core = started(disk)
    create(core, "t", 2)
    return core


def test_offsets_begin_at_0_and_follow_each_other(core: LogCore) -> None:
    """In a partition, whatever the bundles' sizes, also within one commit."""
    assert append(core, "t", b"a", b"b") == 0
    bundles = [Append("t", 0, bundle_of(b"c")), Append("t", 1, bundle_of(b"d")), Append("t", 0, bundle_of(b"e"))]
    assert core.settle(core.submit(Commit(bundles))) == Committed((2, 0, 3))
    assert values_of(core, "t") == [b"a", b"b", b"c", b"e"]


def test_offsets_are_decided_before_anything_is_written(core: LogCore) -> None:
    """What waits counts as done; one group takes all of it."""
    groups = core.describe_topic("t").partitions
    pendings = [core.submit(Commit([Append("t", 0, bundle_of(b"v"))])) for _ in range(5)]
    assert not any(pending.done for pending in pendings)
    assert core.describe_topic("t").partitions == groups
    assert values_of(core, "t") == []
    assert core.settle(pendings[-1]) == Committed((4,))
    assert [core.settle(pending) for pending in pendings] == [Committed((n,)) for n in range(5)]


def test_all_that_waits_shares_one_group(core: LogCore, disk: SimulatedDisk) -> None:
    """And so one sync."""
    before = disk.contents(journals(disk)[-1]).count(b"TGRP")
    pendings = [core.submit(Commit([Append("t", 0, bundle_of(b"v"))])) for _ in range(50)]
    core.settle(pendings[0])
    assert all(pending.done for pending in pendings)
    assert disk.contents(journals(disk)[-1]).count(b"TGRP") == before + 1


def test_threads_share_syncs() -> None:
    """While one sync runs the next group gathers: 20 threads need two syncs."""
    disk = PickyDisk()
    core = started(disk)
    create(core, "t")
    disk.gate = threading.Event()
    before = disk.syncs
    submitted = threading.Barrier(21)
    results: list[int] = []

    def produce() -> None:
        pending = core.submit(Commit([Append("t", 0, bundle_of(b"v"))]))
        submitted.wait()
        result = core.settle(pending)
        assert isinstance(result, Committed)
        results.extend(result.offsets)

    first = threading.Thread(target=lambda: append(core, "t", b"first"))
    first.start()
    disk.entered.wait()
    threads = [threading.Thread(target=produce) for _ in range(20)]
    for thread in threads:
        thread.start()
    submitted.wait()
    disk.gate.set()
    for thread in [first, *threads]:
        thread.join()
    assert sorted(results) == list(range(1, 21))
    assert disk.syncs == before + 2


def test_many_threads_lose_and_double_nothing() -> None:
    """Offsets are given once, and every record is at its offset."""
    disk = SimulatedDisk()
    core = started(disk, settings=LogSettings(checkpoint_entries=50, idle_ms=1, interval_ms=1))
    create(core, "t")
    found: dict[int, bytes] = {}

    def produce(name: int) -> None:
        for number in range(50):
            value = b"%d-%d" % (name, number)
            found[append(core, "t", value)] = value

    threads = [threading.Thread(target=produce, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values_of(core, "t") == [found[offset] for offset in range(400)]
    core.stop()
    assert values_of(started(killed(disk)), "t") == [found[offset] for offset in range(400)]


def test_i4_a_bundle_sent_again_is_stored_once(core: LogCore) -> None:
    """It gets the offset that it got the first time, also while the first one waits."""
    commits = [Commit([Append("t", 0, bundle_of(b"%d" % n, b"x", producer_id=7, sequence=n))]) for n in (0, 1, 1, 0, 2)]
    pendings = [core.submit(commit) for commit in commits]
    assert [core.settle(pending) for pending in pendings] == [Committed((n,)) for n in (0, 2, 2, 0, 4)]
    assert core.settle(core.submit(commits[1])) == Committed((2,))
    assert len(values_of(core, "t")) == 6


def test_i4_a_retry_after_a_restart_is_stored_once(core: LogCore, disk: SimulatedDisk) -> None:
    """From the journal, and from the checkpoint."""
    commit = Commit([Append("t", 0, bundle_of(b"v", producer_id=7))])
    core.settle(core.submit(commit))
    again = started(killed(disk))
    assert again.settle(again.submit(commit)) == Committed((0,))
    again.checkpoint()
    assert again.settle(again.submit(commit)) == Committed((0,))
    assert values_of(again, "t") == [b"v"]


@pytest.mark.parametrize(("sequences", "expected"), [((1,), None), ((0, 2), 1), ((0, 1, 2, 3, 4, 5, 0), 6)])
def test_a_gap_or_a_forgotten_bundle_of_a_producer_is_an_error(
    core: LogCore, sequences: tuple[int, ...], expected: int | None
) -> None:
    """It is never appended in silence."""
    *before, last = [Commit([Append("t", 0, bundle_of(b"v", producer_id=7, sequence=n))]) for n in sequences]
    for commit in before:
        core.settle(core.submit(commit))
    with pytest.raises(ProducerOutOfOrder) as caught:
        core.submit(last)
    assert caught.value.expected == expected
    assert len(values_of(core, "t")) == len(before)


def test_f37_a_commit_is_taken_only_from_the_owner_and_in_turn(core: LogCore) -> None:
    """Another epoch or another number: fenced, with the stale tasks' names, and nothing of it is written."""
    mine = acquire(core, "a", "b")
    assert commit_task(core, "a", mine["a"], 1) == Committed()
    assert commit_task(core, "a", mine["a"], 1) == Fenced(("a",))
    assert commit_task(core, "a", mine["a"], 3) == Fenced(("a",))
    theirs = acquire(core, "a")
    assert theirs["a"].epoch > max(mine["a"].epoch, mine["b"].epoch)
    assert theirs["a"].number == 1
    both = [TaskCommit("g", "a", mine["a"].epoch, 2, {}), TaskCommit("g", "b", mine["b"].epoch, 1, {})]
    commit = Commit([Append("t", 0, bundle_of(b"never"))], both)
    assert core.settle(core.submit(commit)) == Fenced(("a",))
    assert values_of(core, "t") == []
    assert core.task_states("g")["b"].number == 0
    assert commit_task(core, "a", theirs["a"], 2) == Committed()
    assert core.groups() == ["g"]


def test_a_task_that_nobody_took_is_fenced(core: LogCore) -> None:
    """A commit needs an owner."""
    assert core.settle(core.submit(Commit(tasks=[TaskCommit("g", "x", 0, 1, {})]))) == Fenced(("x",))


def test_epochs_are_never_repeated(core: LogCore, disk: SimulatedDisk) -> None:
    """Across tasks, groups and restarts."""
    epochs = [state.epoch for group in ("g", "h") for state in acquire(core, "a", "b", group=group).values()]
    again = started(killed(disk))
    epochs += [state.epoch for state in acquire(again, "a", "b").values()]
    again.stop()
    last = started(disk=killed(disk))
    assert len(set(epochs)) == len(epochs)
    assert acquire(last, "a")["a"].epoch > max(epochs[:4])


def test_a_commit_over_many_partitions_is_seen_whole_or_not_at_all(core: LogCore) -> None:
    """A refused part refuses the commit."""
    appends = [Append("t", 0, bundle_of(b"a")), Append("t", 5, bundle_of(b"b"))]
    with pytest.raises(PartitionNotFound):
        core.submit(Commit(appends))
    assert append(core, "t", b"first") == 0


def test_bad_requests_are_refused_with_nothing_done(core: LogCore) -> None:
    """Names, counts, keys, bundles, positions."""
    with pytest.raises(TopicExists):
        core.submit_create_topic("t", 1, {})
    with pytest.raises(InvalidTopicName):
        core.submit_create_topic("no/slash", 1, {})
    with pytest.raises(ConfigError):
        core.submit_create_topic("u", 0, {})
    with pytest.raises(ConfigError, match="segment_byte"):
        core.submit_create_topic("u", 1, {"segment_byte": 1})
    with pytest.raises(TopicNotFound):
        core.submit_delete_topic("u")
    with pytest.raises(TopicNotFound):
        core.submit(Commit([Append("u", 0, bundle_of(b"v"))]))
    with pytest.raises(RecordRefused, match="checksum"):
        core.submit(Commit([Append("t", 0, bundle_of(b"v")[:-1] + b"?")]))
    state = acquire(core, "a")["a"]
    with pytest.raises(RecordRefused, match="0 or more"):
        commit_task(core, "a", state, 1, position=-1)
    with pytest.raises(TopicNotFound):
        commit_task(core, "a", state, 1, topic="u")
    twice = [TaskCommit("g", "a", state.epoch, 1, {})] * 2
    with pytest.raises(RecordRefused, match="twice"):
        core.submit(Commit(tasks=twice))
    with pytest.raises(ConfigError):
        core.submit_acquire("", ["a"])
    assert commit_task(core, "a", state, 1) == Committed()


def test_f12_a_full_disk_fails_the_group_and_what_waits_behind_it(core: LogCore, disk: SimulatedDisk) -> None:
    """Nothing of it is stored, offsets are given again, and writes go on when there is space."""
    append(core, "t", b"a")
    disk.capacity = disk.used_bytes() + 100
    pendings = [core.submit(Commit([Append("t", 0, bundle_of(bytes([n]) * 50))])) for n in range(3)]
    for pending in pendings:
        with pytest.raises(DiskFull):
            core.settle(pending)
    disk.capacity = None
    assert append(core, "t", b"b") == 1
    assert values_of(started(killed(disk)), "t") == [b"a", b"b"]


def test_f12_a_full_disk_can_be_left(core: LogCore, disk: SimulatedDisk) -> None:
    """A topic can be deleted, a checkpoint taken and the log started again: space is kept back for these."""
    create(core, "u")
    append(core, "u", bytes(30_000))
    append(core, "t", b"a")
    disk.capacity = disk.used_bytes()
    with pytest.raises(DiskFull):
        append(core, "t", b"refused")
    after = killed(disk)
    core.settle(core.submit_delete_topic("u"))
    assert core.checkpoint()
    assert append(core, "t", b"b") == 1
    after.capacity = after.used_bytes()
    again = started(after)
    assert len(values_of(again, "u")) == 1
    again.settle(again.submit_delete_topic("u"))


def test_f14_a_failed_write_fails_the_group_and_no_more(core: LogCore, disk: SimulatedDisk) -> None:
    """The state decided against is as it was."""
    state = acquire(core, "a")["a"]
    disk.fail_writes = 1
    with pytest.raises(DiskError):
        commit_task(core, "a", state, 1)
    disk.fail_writes = 1
    with pytest.raises(DiskError):
        create(core, "u")
    assert commit_task(core, "a", state, 1) == Committed()
    assert create(core, "u") == 2


def test_f15_a_failed_sync_poisons_the_log(core: LogCore, disk: SimulatedDisk) -> None:
    """No write is accepted any more, reads go on, and a restart finds what is there."""
    append(core, "t", b"a")
    disk.fail_syncs = 1
    with pytest.raises(LogPoisoned):
        append(core, "t", b"unknown")
    with pytest.raises(LogPoisoned):
        append(core, "t", b"refused")
    assert not core.checkpoint()
    assert values_of(core, "t") == [b"a"]
    core.stop()
    again = started(disk)
    assert values_of(again, "t") in ([b"a"], [b"a", b"unknown"])
    append(again, "t", b"b")


@pytest.mark.parametrize("failing", [".log", "checkpoint.new", ".journal"])
def test_f15_a_failed_sync_stops_a_checkpoint(failing: str) -> None:
    """The one before holds, the journal still has everything; after one of a segment no write is accepted."""
    disk = PickyDisk()
    core = started(disk)
    create(core, "t")
    append(core, "t", b"a")
    disk.failing = failing
    with pytest.raises(DiskError):
        core.checkpoint()
    disk.failing = None
    if failing == ".log":
        with pytest.raises(LogPoisoned):
            append(core, "t", b"refused")
    else:
        append(core, "t", b"b")
        assert core.checkpoint()
    assert values_of(started(killed(disk)), "t")[:1] == [b"a"]


def test_f12_after_the_sync_nothing_is_refused() -> None:
    """A copy that finds no space waits: acknowledged, not visible, and its partition takes no more meanwhile."""
    disk = PickyDisk()
    core = started(disk)
    create(core, "t", 2)
    append(core, "t", b"a")
    disk.full = ".log"
    queued = core.submit(Commit([Append("t", 0, bundle_of(b"c"))]))
    assert append(core, "t", b"b") == 2
    assert core.settle(queued) == Committed((1,))
    assert values_of(core, "t") == [b"a"]
    with pytest.raises(DiskFull):
        append(core, "t", b"refused")
    assert not core.checkpoint()
    after = killed(disk)
    disk.full = None
    core.tick()
    assert values_of(core, "t") == [b"a", b"c", b"b"]
    assert append(core, "t", b"d") == 3
    assert core.checkpoint()
    assert values_of(started(after), "t") == [b"a", b"c", b"b"]


def test_a_fetch_answers_where_it_stands(core: LogCore) -> None:
    """Bounds, the next offset, whether more is there; records cut to start at the offset asked for."""
    append(core, "t", b"a", b"b", b"c")
    append(core, "t", b"d")
    got = fetch(core, "t", 1, max_bytes=1)
    assert [list(records.offsets) for records in got.records] == [[1, 2]]
    assert (got.next_offset, got.log_start, got.high_watermark, got.drained) == (3, 0, 4, False)
    assert fetch(core, "t", 4).drained
    assert fetch(core, "t", "end").next_offset == 4
    assert [records.values for records in fetch(core, "t", AtTime(0)).records] == [[b"a", b"b", b"c"], [b"d"]]
    assert fetch(core, "t", AtTime(1)).next_offset == 4


def test_a_fetch_out_of_range_says_the_bounds(core: LogCore) -> None:
    """As an answer for the one partition."""
    append(core, "t", b"a")
    for offset in (-1, 2):
        error = fetch(core, "t", offset).error
        assert isinstance(error, OffsetOutOfRange)
        assert (error.log_start, error.high_watermark) == (0, 1)


def test_a_fetch_of_what_is_not_there_raises(core: LogCore) -> None:
    """A topic, or a partition of one."""
    with pytest.raises(TopicNotFound):
        core.fetch(FetchRequest({TopicPartition("u", 0): 0}))
    with pytest.raises(PartitionNotFound):
        core.offsets_at([TopicPartition("t", 2)], "end")


def test_a_partition_says_how_long_it_is_idle(core: LogCore) -> None:
    """By the monotonic clock, since the last append of this run."""
    assert fetch(core, "t").idle_ms is None
    append(core, "t", b"a")
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(1_500)
    assert fetch(core, "t").idle_ms == 1_500
    core.clock.set_wall(0)
    assert fetch(core, "t").idle_ms == 1_500


def test_the_log_start_moves_up_and_hides_what_is_below(core: LogCore, disk: SimulatedDisk) -> None:
    """Durably."""
    append(core, "t", b"a", b"b", b"c")
    source = TopicPartition("t", 0)
    assert core.settle(core.submit_log_start(source, 2)) == 2
    assert core.settle(core.submit_log_start(source, 1)) == 2
    with pytest.raises(OffsetOutOfRange):
        core.submit_log_start(source, 4)
    again = started(killed(disk))
    assert values_of(again, "t") == [b"c"]
    assert isinstance(fetch(again, "t", 1).error, OffsetOutOfRange)


def test_listeners_are_called_after_each_applied_group(core: LogCore) -> None:
    """When the records can be read; not after they were removed."""
    seen: list[int] = []
    remove = core.add_append_listener(lambda: seen.append(len(values_of(core, "t"))))
    append(core, "t", b"a")
    append(core, "t", b"b")
    remove()
    append(core, "t", b"c")
    assert seen == [1, 2]


def test_a_listener_that_raises_hurts_nobody(core: LogCore, caplog: pytest.LogCaptureFixture) -> None:
    """The producer's write is done; the mistake is logged."""

    def broken() -> None:
        raise ValueError("mine")

    core.add_append_listener(broken)
    assert append(core, "t", b"a") == 0
    assert "a listener of the log failed" in caplog.text


@pytest.mark.parametrize(
    "settings", [LogSettings(checkpoint_entries=10, upkeep=False), LogSettings(checkpoint_bytes=2_000, upkeep=False)]
)
def test_a_checkpoint_is_taken_when_enough_was_written(disk: SimulatedDisk, settings: LogSettings) -> None:
    """By entries or by bytes; older journal files go."""
    core = started(disk, settings=settings)
    create(core, "t")
    before = journals(disk)
    for _ in range(10):
        append(core, "t", b"v" * 100)
    core.tick()
    assert len(journals(disk)) == 1 and journals(disk) != before
    assert len(values_of(started(killed(disk)), "t")) == 10


def test_interval_durability_syncs_when_it_is_time() -> None:
    """At most so often; the epoch of the start is synced all the same."""
    disk, clock = PickyDisk(), ManualClock()
    core = started(disk, clock=clock, durability="interval", settings=LogSettings(interval_ms=100, upkeep=False))
    create(core, "t")
    before = disk.syncs
    append(core, "t", b"a")
    append(core, "t", b"b")
    assert disk.syncs == before
    clock.advance(100)
    core.tick()
    core.tick()
    assert disk.syncs == before + 1
    clock.advance(100)
    append(core, "t", b"c")
    assert disk.syncs == before + 2


@pytest.mark.parametrize("durability", ["interval", "os"])
def test_the_other_durabilities_lose_nothing_to_a_kill(disk: SimulatedDisk, durability: str) -> None:
    """Only a power cut may take back what they acknowledged."""
    core = started(disk, durability=durability)  # type: ignore[arg-type]  # a parameter of the test
    create(core, "t")
    append(core, "t", b"a")
    assert values_of(started(killed(disk)), "t") == [b"a"]


def test_f38_a_topic_may_be_deleted_and_made_again_in_one_group(core: LogCore) -> None:
    """Decided one after the other; the new one is empty and takes records."""
    append(core, "t", b"old")
    core.submit_delete_topic("t")
    made = core.submit_create_topic("t", 1, {})
    written = core.submit(Commit([Append("t", 0, bundle_of(b"new"))]))
    assert core.settle(written) == Committed((0,))
    assert core.settle(made).id == 2
    assert values_of(core, "t") == [b"new"]


def test_a_closed_log_says_so(core: LogCore) -> None:
    """Stopping twice is fine."""
    core.stop()
    core.stop()
    with pytest.raises(LogClosed):
        append(core, "t", b"a")
    with pytest.raises(LogClosed):
        core.topics()


def test_stop_writes_what_waits(core: LogCore, disk: SimulatedDisk) -> None:
    """A request that was submitted and never settled."""
    pending = core.submit(Commit([Append("t", 0, bundle_of(b"a"))]))
    core.stop()
    assert core.settle(pending) == Committed((0,))
    assert values_of(started(disk), "t") == [b"a"]


def test_topics_are_described(core: LogCore, disk: SimulatedDisk) -> None:
    """Names in order, configuration in plain units, bounds and bytes; for people there is a file too."""
    create(core, "a", 1, {"segment_bytes": "1MiB"})
    append(core, "a", b"v")
    first, second = core.topics()
    assert (first.name, second.name) == ("a", "t")
    assert first.config == {"segment_bytes": 1 << 20}
    assert first.partitions[0].high_watermark == 1
    assert first.partitions[0].size_bytes == len(bundle_of(b"v"))
    assert b'"a"' in disk.contents(f"{DIRECTORY}/topics/{first.id}/config.json")
