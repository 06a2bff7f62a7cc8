"""The state: what entries make of it, and that a snapshot holds all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tankstreams.log.entry import (
    AcquireEntry,
    CommitEntry,
    CreateTopicEntry,
    DeleteTopicEntry,
    Entry,
    LogStartEntry,
    Part,
    StartEntry,
    TaskPart,
)
from tankstreams.log.state import PRODUCER_SEQUENCES_KEPT, PRODUCERS_KEPT_MAX, State


def part(base: int, count: int = 1, *, topic: int = 1, producer: int = 0, sequence: int = 0) -> Part:
    return Part(topic, 0, base, base + count, 100, 0, producer, sequence)


def state_of(*entries: Entry) -> State:
    state = State()
    state.apply(CreateTopicEntry(1, "t", 2, {}))
    for entry in entries:
        state.apply(entry)
    return state


@given(st.lists(st.integers(0, 6), max_size=30))
def test_a_snapshot_holds_the_whole_state(kinds: list[int]) -> None:
    """What is restored gives the same snapshot, and goes on the same way."""
    state = state_of(AcquireEntry("g", (("a", 1),)))
    for number, kind in enumerate(kinds, 2):
        partition = state.partition((1, 0))
        assert partition is not None
        commit = CommitEntry((part(partition.next_offset, 3, producer=kind, sequence=number),))
        task = CommitEntry((), (TaskPart("g", "a", 1, number, ((1, 0, number), (1, 1, 0))),))
        choices: list[Entry] = [
            commit,
            task,
            CreateTopicEntry(number, f"t{number}", 1, {"segment_bytes": 4096}),
            AcquireEntry("g", (("b", state.task_epoch_last + 1),)),
            StartEntry(number, 5),
            LogStartEntry(1, 0, 1),
            commit,
        ]
        state.apply(choices[kind])
    again = State.restore(state.snapshot())
    assert again.snapshot() == state.snapshot()
    assert again.names == state.names
    again.apply(DeleteTopicEntry(1))
    assert again.snapshot() != state.snapshot()
    assert state.partition((1, 0)) is not None


def test_the_last_bundles_of_a_producer_are_remembered() -> None:
    """As many as are promised, and no more."""
    state = state_of(*(CommitEntry((part(n, producer=9, sequence=n),)) for n in range(8)))
    partition = state.partition((1, 0))
    assert partition is not None
    assert partition.producers[9] == tuple((n, n) for n in range(8 - PRODUCER_SEQUENCES_KEPT, 8))


def test_the_producer_that_wrote_least_recently_is_forgotten() -> None:
    """Memory does not grow with every producer that there ever was."""
    state = state_of(*(CommitEntry((part(n, producer=1 + n),)) for n in range(PRODUCERS_KEPT_MAX)))
    state.apply(CommitEntry((part(PRODUCERS_KEPT_MAX, producer=1, sequence=1),)))
    state.apply(CommitEntry((part(PRODUCERS_KEPT_MAX + 1, producer=PRODUCERS_KEPT_MAX + 1),)))
    partition = state.partition((1, 0))
    assert partition is not None
    assert len(partition.producers) == PRODUCERS_KEPT_MAX
    assert 1 in partition.producers and 2 not in partition.producers


def test_f38_positions_in_a_deleted_topic_go_with_it() -> None:
    """A topic made again under the name has another id, and no positions."""
    state = state_of(
        CreateTopicEntry(2, "u", 1, {}),
        AcquireEntry("g", (("a", 1),)),
        CommitEntry((), (TaskPart("g", "a", 1, 1, ((1, 0, 5), (2, 0, 6))),)),
        DeleteTopicEntry(1),
        CreateTopicEntry(3, "t", 1, {}),
    )
    assert state.groups["g"]["a"].positions == {(2, 0): 6}
    assert state.names == {"u": 2, "t": 3}
    assert state.topic_id_last == 3


def test_the_log_start_never_moves_back() -> None:
    """Whatever order entries come in."""
    state = state_of(CommitEntry((part(0, 10),)), LogStartEntry(1, 0, 7), LogStartEntry(1, 0, 3))
    partition = state.partition((1, 0))
    assert partition is not None and partition.log_start == 7
