"""The two clients of the log: `open_log` and `open_log_sync`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import anyio.lowlevel
import pytest
from anyio.lowlevel import checkpoint

import tankstreams as ts
from tankstreams.errors import (
    ConfigError,
    DirectoryError,
    DirectoryLocked,
    EncodeError,
    PartitionNotFound,
    RecordRefused,
    TopicNotFound,
)
from tankstreams.log import bundle
from tankstreams.log.commit import Append, Commit, Committed, Fenced, TaskCommit
from tankstreams.log.fetch import AtTime, FetchRequest
from tankstreams.log.partitioner import partition_of
from tankstreams.log.records import TopicPartition


def values_of(log: ts.SyncLog, topic: str) -> list[bytes | None]:
    """Return all values of a topic, partition after partition."""
    return [value for _, records in log.read(topic) for value in records.values]


def test_what_is_produced_is_read_after_a_restart(tmp_path: Path) -> None:
    """Keys, values, times and headers come back as they went in."""
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        log.create_topic("t")
        done = log.produce("t", ["a", b"\xff", None], keys=["k", None, b"x"], timestamps=[3, 2, 1], headers={"h": b"1"})
        assert (done.count, done.offsets) == (3, {0: range(0, 3)})
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        ((source, records),) = log.read("t")
        assert source == TopicPartition("t", 0)
        assert list(records.offsets) == [0, 1, 2]
        assert list(records.values) == [b"a", b"\xff", None]
        assert list(records.keys) == [b"k", None, b"x"]
        assert list(records.timestamps) == [3, 2, 1]
        assert records.headers is not None
        assert list(records.headers) == [(("h", b"1"),)] * 3


def test_the_key_chooses_the_partition(tmp_path: Path) -> None:
    """crc32 of the key's bytes modulo the partitions; without keys the calls take turns."""
    keys = [str(number) for number in range(100)]
    assert partition_of([b"a", None], 3, 2) == [crc32(b"a") % 3, 2]
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        log.create_topic("t", partitions=5)
        log.produce("t", keys, keys=keys)
        for (_, partition), records in log.read("t"):
            assert {crc32(key or b"") % 5 for key in records.keys} == {partition}
        log.create_topic("u", partitions=2)
        assert {next(iter(log.produce("u", ["x"]).offsets)) for _ in range(2)} == {0, 1}
        assert log.produce("u", ["a", "b"], keys=["a", "b"], partition=1).offsets.keys() == {1}


def test_a_declared_topic_encodes_its_values(tmp_path: Path) -> None:
    """With a ts.Topic keys and values are of its types; one that does not fit is refused and nothing is written."""

    @dataclass
    class Reading:
        room: str
        degrees: float

    topic = ts.Topic("t", key=int, value=Reading)
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        log.create_topic("t")
        log.produce(topic, [Reading("cellar", 1.0), None], keys=[7, 8])
        assert values_of(log, "t") == [b'{"room":"cellar","degrees":1.0}', None]
        with pytest.raises(EncodeError, match="A record for topic 't' was refused, none was written: expected Reading"):
            log.produce(topic, [Reading("attic", 2.0), "no"], keys=[1, 2])
        assert len(values_of(log, "t")) == 2


def test_many_records_are_split_into_bundles_of_one_commit(tmp_path: Path) -> None:
    """A produce over the limits of a bundle is still one write: its offsets follow each other."""
    with ts.open_log_sync(f"{tmp_path}/log", durability="os") as log:
        log.create_topic("t")
        done = log.produce("t", [b"x"] * 150_000)
        assert done.offsets == {0: range(0, 150_000)}
        assert sum(1 for _ in log.read("t")) > 1
        assert len(values_of(log, "t")) == 150_000


@pytest.mark.parametrize(
    ("values", "options", "sentence"),
    [
        ("abc", {}, r"values must be a list of values, not one str: write \['abc'\]"),
        ([1], {}, "value 0 is of type int, expected bytes, str or None: pass a ts.Topic"),
        (["a"], {"keys": [2.5]}, "key 0 is of type float"),
        (["a", "b"], {"keys": ["k"]}, "2 values came with 1 keys"),
        (["a"], {"timestamps": [1, 2]}, "1 values came with 2 timestamps"),
        (["a"], {"timestamps": 2**63}, "64 bits"),
        (["\ud800"], {}, "value 0 is not valid text"),
    ],
)
def test_a_record_that_cannot_be_written_is_refused(
    tmp_path: Path, values: list[object], options: dict[str, object], sentence: str
) -> None:
    """One sentence, and nothing is written."""
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        log.create_topic("t")
        with pytest.raises(RecordRefused, match=sentence):
            log.produce("t", values, **options)  # type: ignore[arg-type]  # wrong on purpose
        assert values_of(log, "t") == []


def test_topics_and_partitions_that_are_not_there_are_said(tmp_path: Path) -> None:
    """TopicNotFound and PartitionNotFound, from every call that names one."""
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        log.create_topic("t", partitions=2)
        with pytest.raises(TopicNotFound):
            log.produce("no", ["a"])
        with pytest.raises(TopicNotFound):
            next(log.read("no"))
        with pytest.raises(PartitionNotFound):
            log.produce("t", ["a"], partition=2)
        with pytest.raises(PartitionNotFound):
            next(log.read("t", partitions=[2]))


def test_reading_starts_where_it_is_told(tmp_path: Path) -> None:
    """At an offset, a time, the end; and stops where the topic ended when it began."""
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        log.create_topic("t")
        log.produce("t", ["a", "b", "c"], timestamps=[10, 20, 30])
        assert [list(records.values) for _, records in log.read("t", start=1)] == [[b"b", b"c"]]
        assert [list(records.values) for _, records in log.read("t", start=AtTime(20))] == [[b"b", b"c"]]
        assert list(log.read("t", start="end")) == []
        reading = log.read("t")
        next(reading)
        log.produce("t", ["d"])
        assert list(reading) == []


def test_a_waiting_fetch_wakes_when_something_is_appended(tmp_path: Path) -> None:
    """The long poll of the synchronous client: from the end, and what is appended meanwhile is not missed."""
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        log.create_topic("t")
        log.produce("t", ["before"])
        writer = threading.Thread(target=lambda: log.produce("t", ["after"]))
        writer.start()
        request = FetchRequest({TopicPartition("t", 0): 1}, max_wait_ms=60_000)
        (got,) = log.fetch(request).values()
        writer.join()
        assert [list(records.values) for records in got.records] == [[b"after"]]
        assert log.fetch(FetchRequest({TopicPartition("t", 0): 2}, max_wait_ms=1))[TopicPartition("t", 0)].drained


def test_a_bare_word_makes_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a separator must exist, unless create says otherwise."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DirectoryError, match="There is no directory prod"), ts.open_log_sync("prod"):
        pass
    with pytest.raises(DirectoryError, match="create=True"), ts.open_log_sync("./prod", create=False):
        pass
    with ts.open_log_sync("prod", create=True) as log:
        assert log.topics() == []
    with ts.open_log_sync("prod"), ts.open_log_sync():
        pass
    assert (tmp_path / "tank-data").is_dir()


@pytest.mark.parametrize("address", ["", "tank://here", "kafka://here", "http://here"])
def test_what_is_no_directory_is_refused(address: str) -> None:
    """Addresses of other kinds of logs are a ConfigError."""
    with pytest.raises(ConfigError), ts.open_log_sync(address):
        pass


def test_an_unknown_durability_is_refused(tmp_path: Path) -> None:
    """The sentence lists what there is."""
    with (
        pytest.raises(ConfigError, match="'sync', 'interval', 'os'"),
        ts.open_log_sync(f"{tmp_path}/log", durability="fast"),  # type: ignore[arg-type]  # wrong on purpose
    ):
        pass


def test_a_directory_is_open_once(tmp_path: Path) -> None:
    """A second opening is refused, in this process too; after the first is closed it works."""
    with (
        ts.open_log_sync(f"{tmp_path}/log"),
        pytest.raises(DirectoryLocked),
        ts.open_log_sync(f"{tmp_path}/log"),
    ):
        pass
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        assert log.topics() == []


@asynccontextmanager
async def fresh(tmp_path: Path) -> AsyncIterator[ts.AsyncLog]:
    """An asynchronous log with a topic of one partition."""
    async with ts.open_log(f"{tmp_path}/log") as log:
        await log.create_topic("t")
        yield log


def test_the_asynchronous_client_does_the_same(tmp_path: Path) -> None:
    """Topics, produce, read, offsets, delete."""

    async def scenario() -> None:
        async with fresh(tmp_path) as log:
            assert (await log.produce("t", ["a", "b"])).offsets == {0: range(0, 2)}
            assert [value async for _, records in log.read("t") for value in records.values] == [b"a", b"b"]
            assert await log.offsets([TopicPartition("t", 0)], "end") == {TopicPartition("t", 0): 2}
            assert [info.name for info in await log.topics()] == ["t"]
            await log.delete_topic("t")
            with pytest.raises(TopicNotFound):
                await log.describe_topic("t")

    asyncio.run(scenario())


def test_an_asynchronous_fetch_wakes_when_something_is_appended(tmp_path: Path) -> None:
    """A reader that follows gets records as they are produced, many readers at a time."""

    async def follow(log: ts.AsyncLog) -> list[bytes | None]:
        seen: list[bytes | None] = []
        async for _, records in log.read("t", until_end=False):
            seen.extend(records.values)
            if len(seen) == 20:
                break
        return seen

    async def scenario() -> None:
        async with fresh(tmp_path) as log, asyncio.timeout(30):
            readers = [asyncio.create_task(follow(log)) for _ in range(3)]
            for number in range(20):
                await log.produce("t", [str(number)])
            expected = [str(number).encode() for number in range(20)]
            assert await asyncio.gather(*readers) == [expected] * 3

    asyncio.run(scenario())


def test_a_commit_is_all_or_nothing_and_fences(tmp_path: Path) -> None:
    """Appends and positions together; an older epoch is fenced and writes nothing."""

    async def scenario() -> None:
        async with fresh(tmp_path) as log:
            first = (await log.acquire("g", ["0"]))["0"]
            second = (await log.acquire("g", ["0"]))["0"]
            assert second.epoch > first.epoch
            source = TopicPartition("t", 0)
            append = Append("t", 0, bundle.encode([None], [b"x"], [1]))
            stale = Commit([append], [TaskCommit("g", "0", first.epoch, 1, {source: 5})])
            assert await log.commit(stale) == Fenced(("0",))
            assert await log.offsets([TopicPartition("t", 0)], "end") == {TopicPartition("t", 0): 0}
            good = Commit([append], [TaskCommit("g", "0", second.epoch, second.number + 1, {source: 5})])
            assert await log.commit(good) == Committed((0,))
            assert (await log.task_states("g"))["0"].positions == {source: 5}

    asyncio.run(scenario())


def test_closing_waits_for_what_was_begun(tmp_path: Path) -> None:
    """A producer that is cancelled stops waiting; the log closes whole and what it holds is a prefix of whole calls."""

    async def scenario() -> None:
        async with fresh(tmp_path) as log:
            producer = asyncio.create_task(log.produce("t", ["a"] * 1000))
            await checkpoint()
            producer.cancel()

    asyncio.run(scenario())
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        assert len(values_of(log, "t")) in (0, 1000)


def test_a_declared_topic_is_created_as_it_says(tmp_path: Path) -> None:
    """Partitions and configuration come from the declaration, unless the call says otherwise."""
    topic = ts.Topic("t", partitions=3, config={"retention_ms": "7d"})
    with ts.open_log_sync(f"{tmp_path}/log") as log:
        created = log.create_topic(topic)
        assert (len(created.partitions), created.config["retention_ms"]) == (3, 7 * 86_400_000)
        log.delete_topic(topic)
        assert len(log.create_topic(topic, partitions=1).partitions) == 1


def test_a_cancelled_opening_gives_the_directory_back(tmp_path: Path) -> None:
    """A task that is cancelled while the log opens leaves nothing locked."""

    async def opening() -> None:
        async with ts.open_log(f"{tmp_path}/log"):
            await asyncio.Event().wait()

    async def scenario() -> None:
        for steps in range(4):
            task = asyncio.create_task(opening())
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with ts.open_log(f"{tmp_path}/log") as log:
            assert await log.topics() == []

    asyncio.run(scenario())


def test_a_cancelled_commit_is_done_when_the_cancellation_arrives(tmp_path: Path) -> None:
    """A timeout around a produce that has begun ends it after its acknowledgement, not in the middle."""

    async def scenario() -> None:
        async with fresh(tmp_path) as log:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await log.produce("t", ["a"] * 1000)
            assert await log.offsets([TopicPartition("t", 0)], "end") == {TopicPartition("t", 0): 1000}

    asyncio.run(scenario())
