"""A topology on a disk that drops what was not synced: every update is in the log exactly once."""

from __future__ import annotations

from random import Random

import pytest

import tankstreams as ts
from tankstreams.log import bundle
from tankstreams.log.commit import Append, Commit
from tankstreams.log.core import LogCore
from tankstreams.log.fetch import FetchRequest
from tankstreams.log.records import TopicPartition
from tankstreams.log.settings import LogSettings
from tankstreams.runtime.run import run_on
from tankstreams.testing import ManualClock, PowerCut, SimulatedDisk
from tests.crash.inline import InlineLog, finish

Rows = list[tuple[bytes | None, bytes | None, int]]


def make_topology() -> ts.Topology:
    """Count words by length and by word, one of them through a table."""
    topology = ts.Topology("words", commit_interval_ms=0, on_error=ts.DeadLetter("odd"))
    names = topology.table("names", key=str, value=str)
    words = topology.stream("lines", value=str).flat_map(str.split)
    words.group_by(lambda word: word, key=str, name="by-word").count().to("counts")
    (
        words.map(int, name="numbers")
        .key_by(lambda number: str(number % 3), key=str, name="by-rest")
        .left_join(names, lambda number, name: f"{name}:{number}", returns=str, name="named")
        .to("named")
    )
    return topology


def open_core(disk: SimulatedDisk) -> LogCore:
    core = LogCore("data", disk=disk, clock=ManualClock(), settings=LogSettings(upkeep=False, checkpoint_entries=7))
    core.start()
    return core


def load(core: LogCore, random: Random) -> None:
    """Create the topics and write lines in many small bundles; the table first, with earlier times."""
    for topic in ("lines", "names", "counts", "named", "odd"):
        core.settle(core.submit_create_topic(topic, 1, {}))
    names = bundle.encode([b"0", b"1"], [b"zero", b"one"], [1, 2])
    core.settle(core.submit(Commit([Append("names", 0, names)])))
    for step in range(random.randint(1, 4)):
        lines = [
            " ".join(random.choice(["1", "2", "3", "x"]) for _ in range(random.randint(0, 3))).encode()
            for _ in range(random.randint(1, 3))
        ]
        times = [100 + 10 * step + place for place in range(len(lines))]
        core.settle(core.submit(Commit([Append("lines", 0, bundle.encode([None] * len(lines), lines, times))])))


def contents(core: LogCore) -> dict[str, Rows]:
    """Return everything in every topic, partition by partition."""
    found: dict[str, Rows] = {}
    for info in core.topics():
        rows = found[info.name] = []
        for partition in info.partitions:
            source, at = TopicPartition(info.name, partition.partition), 0
            while at < partition.high_watermark:
                got = core.fetch(FetchRequest({source: at}))[source]
                assert got.error is None
                for records in got.records:
                    rows += zip(records.keys, records.values, records.timestamps, strict=True)
                at = got.next_offset
    return found


def run_to_end(core: LogCore) -> None:
    finish(run_on(make_topology(), InlineLog(core), until_end=True))  # type: ignore[arg-type]


def play(seed: int) -> None:
    """One seed: load, then run with power cuts at random operations, then run to the end and compare."""
    calm = SimulatedDisk()
    undisturbed = open_core(calm)
    load(undisturbed, Random(seed))
    before = calm.operations
    run_to_end(undisturbed)
    operations = calm.operations - before
    expected = contents(undisturbed)

    random = Random(seed)
    disk = SimulatedDisk(seed)
    core = open_core(disk)
    load(core, random)
    for _ in range(random.randint(1, 4)):
        disk.cut_at = disk.operations + random.randint(1, operations)
        try:
            if core is None:
                core = open_core(disk)
            run_to_end(core)
            disk.cut_at = None
        except PowerCut:
            disk, core = disk.crash(), None  # type: ignore[assignment]
    disk.cut_at = None
    core = core or open_core(disk)
    run_to_end(core)
    found = contents(core)
    core.stop()
    assert found == expected, f"seed {seed}"


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in (1, 2, 3))])
def test_power_cuts_leave_every_update_exactly_once(block: int) -> None:
    """A thousand seeds, a quarter of them in the quick suite.

    Outputs, changelogs and dead letters equal those of an undisturbed run, record for record.
    """
    for seed in range(block * 250, block * 250 + 250):
        try:
            play(seed)
        except BaseException as error:  # raised again, with the seed that plays it once more
            error.add_note(f"tests.crash.test_power_cut_runs.play({seed})")
            raise
