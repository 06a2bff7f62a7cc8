"""Stream jobs on the embedded log, exactly-once, beside a plain Python loop over the same decoded records.

Both sides read the same bundles from a log that is open, and encode and write output bundles, with one sync at the end
of the loop and one a commit in ours; ours also keeps state, writes changelogs and commits positions.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import msgspec

import tankstreams as ts
from benchmarks.measure import pair, payloads, row
from tankstreams.log import bundle
from tankstreams.log.fetch import FetchRequest
from tankstreams.log.records import Records, TopicPartition
from tankstreams.runtime.run import run_on

RECORDS = 1_000_000


@dataclass
class Event:
    id: int
    user: str
    amount: int
    note: str


@dataclass
class Large:
    user: str
    cents: int


def is_large(event: Event) -> bool:
    return event.amount >= 200_000


def to_large(event: Event) -> Large:
    return Large(event.user, event.amount * 100)


def stateless() -> ts.Topology:
    topology = ts.Topology("stateless")
    topology.stream("events", key=str, value=Event).filter(is_large).map(to_large).to("large")
    return topology


def counting() -> ts.Topology:
    topology = ts.Topology("counting")
    topology.stream("events", key=str, value=Event).group_by_key(name="by-user").count().to("counts")
    return topology


def fetched(log: ts.SyncLog) -> list[Records]:
    """Return all input, bundle by bundle."""
    source, at = TopicPartition("events", 0), 0
    found: list[Records] = []
    while True:
        got = log.fetch(FetchRequest({source: at}, max_bytes=4 << 20))[source]
        found += got.records
        at = got.next_offset
        if got.drained:
            return found


def plain_stateless(records: Records) -> tuple[list[bytes | None], list[bytes], list[int]]:
    decode, encode = msgspec.json.Decoder(Event).decode, msgspec.json.Encoder().encode
    keys, values, times = [], [], []
    for key, data, when in zip(records.keys, records.values, records.timestamps, strict=True):
        event = decode(data or b"")
        if is_large(event):
            keys.append(key)
            values.append(encode(to_large(event)))
            times.append(when)
    return keys, values, times


class PlainCount:
    """Count by key, as anybody would."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def __call__(self, records: Records) -> tuple[list[bytes | None], list[bytes], list[int]]:
        decode, encode = msgspec.json.Decoder(Event).decode, msgspec.json.Encoder().encode
        counts = self.counts
        keys: list[bytes | None] = []
        values, times = [], []
        for key, data, when in zip(records.keys, records.values, records.timestamps, strict=True):
            decode(data or b"")
            user = (key or b"").decode()
            count = counts[user] = counts.get(user, 0) + 1
            keys.append(key)
            values.append(encode(count))
            times.append(when)
        return keys, values, times


Job = Callable[[Records], tuple[list[bytes | None], list[bytes], list[int]]]


def run(repeats: int) -> list[dict[str, Any]]:
    """Measure both jobs."""
    keys, values, times = payloads(RECORDS)
    with tempfile.TemporaryDirectory(prefix="tankstreams-bench-", dir=".") as directory:

        def fresh(name: str) -> str:
            path = f"{directory}/{name}"
            with ts.open_log_sync(path, durability="os") as log:
                for topic in ("events", "large", "counts"):
                    log.create_topic(topic)
                for start in range(0, RECORDS, 4096):
                    stop = start + 4096
                    log.produce("events", values[start:stop], keys=keys[start:stop], timestamps=times[start:stop])
            return path

        made = iter(range(1_000_000))

        def ours(make: Callable[[], ts.Topology]) -> float:
            path = fresh(f"log-{next(made)}")

            async def measured() -> float:
                async with ts.open_log(path) as log:
                    begin = time.perf_counter()
                    await run_on(make(), log, until_end=True)
                    return time.perf_counter() - begin

            return RECORDS / anyio.run(measured)

        path = fresh("bound")

        def bound(make: Callable[[], Job]) -> float:
            with ts.open_log_sync(path, durability="os") as log:
                begin = time.perf_counter()
                job = make()
                descriptor = os.open(f"{directory}/out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                try:
                    for records in fetched(log):
                        os.write(descriptor, bundle.encode(*job(records)))
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)
                return RECORDS / (time.perf_counter() - begin)

        return [
            row(
                "stateless JSON topology",
                pair(lambda: ours(stateless), lambda: bound(lambda: plain_stateless), repeats),
                0.9,
            ),
            row("keyed count, exactly once", pair(lambda: ours(counting), lambda: bound(PlainCount), repeats), 0.7),
        ]
