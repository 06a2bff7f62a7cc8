"""Results do not depend on how the input was cut into batches, nor on restarts between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tankstreams as ts
from tests.runtime.paper import PaperRun, Stored

KEYS = ["a", "b", "c", "d"]
ON_ERROR: list[Any] = ["fail", "skip", "skip", ts.DeadLetter("dead"), ts.DeadLetter("dead-2")]


def is_even(value: int) -> bool:
    return value % 2 == 0


def picky(value: int) -> int:
    """Fail on some values: what a user's function does sooner or later."""
    if value % 7 == 3:
        raise ValueError(f"no {value}")
    if value % 11 == 5:
        raise StopIteration
    return value + 1


def some(value: int) -> list[int]:
    if value % 9 == 4:
        raise KeyError(value)
    return [value + step for step in range(value % 4)]


def lazily(value: int) -> Any:
    """Yield a part and then fail: the part must not go on."""
    for step in range(value % 3):
        yield value - step
        if value % 13 == 6:
            raise RuntimeError("half way")


def new_key(value: int) -> str:
    if value % 17 == 8:
        raise ValueError("no key")
    return KEYS[value % 4]


def nan_or(value: int) -> float:
    """Give NaN now and then, which no mean may take."""
    return float("nan") if value % 10 == 9 else value / 2


def restamp(record: ts.Record[Any, int]) -> ts.Record[Any, int]:
    if record.value % 8 == 7:
        raise ValueError("no record")
    return record.replace(
        key=record.key, value=record.value * 2, timestamp=record.timestamp_ms + 5, headers={"h": b"%d" % record.value}
    )


def add(left: int, right: int) -> int:
    if (left + right) % 19 == 18:
        raise ArithmeticError("too odd")
    return left + right


def join(left: int, right: int | None) -> int:
    if right is not None and (left + right) % 14 == 13:
        raise LookupError("no match wanted")
    return left * 3 + (right or 0)


def keyed(key: str | None, value: int) -> int:
    if key == "d" and value % 5 == 4:
        raise ValueError("no d")
    return value + len(key or "")


@dataclass
class Summary:
    key: Any
    n: int
    first: int | None
    tops: list[int]

    def __post_init__(self) -> None:
        if self.n % 8 == 7:
            raise ValueError("a summary refuses seven")


def grow(acc: list[int], value: int) -> list[int]:
    acc.append(value)
    return acc[-3:]


AGGREGATES: list[Callable[[Any], Any]] = [
    lambda group: group.count(),
    lambda group: group.sum(lambda value: value if value % 5 else None),
    lambda group: group.sum(picky),
    lambda group: group.reduce(add),
    lambda group: group.aggregate(ts.fold(list, grow)),
    lambda group: group.aggregate(ts.top(2, lambda value: value, by=lambda value: value % 6)),
    lambda group: group.aggregate(ts.collect(lambda value: value % 3 or None)),
    lambda group: group.aggregate(
        n=ts.count(), mean=ts.mean(nan_or), low=ts.min(lambda value: value), last=ts.last(lambda value: value)
    ),
    lambda group: group.max(lambda value: value),
    lambda group: group.min(picky),
    lambda group: group.aggregate(
        Summary,
        key=ts.key(),
        n=ts.count(),
        first=ts.first(lambda value: value or None),
        tops=ts.top(2, lambda value: value, by=lambda value: value),
    ),
]

NUMBERS: list[Callable[[Any], Any]] = [
    lambda group: group.count(),
    lambda group: group.sum(picky),
    lambda group: group.reduce(add),
    lambda group: group.aggregate(ts.fold(int, add)),
]
"""Aggregations to numbers, whose tables go on: looked up by joins, or as streams of their changes."""


@dataclass
class Build:
    """A topology under construction: streams of ints keyed by str or unknown, and what was done."""

    topology: ts.Topology
    streams: list[Any] = field(default_factory=list)
    tables: list[Any] = field(default_factory=list)
    sinks: int = 0
    said: list[str] = field(default_factory=list)


def build(draw: Any) -> Build:
    on_error = draw(st.sampled_from(ON_ERROR))
    made = Build(ts.Topology("random", on_error=on_error))
    made.streams.append(made.topology.stream("one", key=str, value=int))
    if draw(st.booleans()):
        made.streams.append(made.topology.stream("two", key=str, value=int, timestamp=lambda value: 1000 + value))
    if draw(st.booleans()):
        made.streams.append(made.topology.stream("one", key=str, value=int))
    if draw(st.booleans()):
        made.tables.append(made.topology.table("facts", key=str, value=int))
    for step in range(draw(st.integers(1, 7))):
        grow_once(draw, made, f"n{step}")
    for stream in made.streams:
        finish(draw, made, stream)
    return made


def grow_once(draw: Any, made: Build, name: str) -> None:
    stream = draw(st.sampled_from(made.streams))
    move = draw(
        st.sampled_from(
            ["filter", "map", "flat_map", "lazily", "key_by", "peek", "map_record", "split", "branch", "merge",
             "aggregate", "group_by", "to_table", "join", "left_join", "self_join", "repartition", "to",
             "with_key", "numbers", "of_type", "changes"]
        )
    )  # fmt: skip
    made.said.append(move)
    typed = {"returns": int} if draw(st.booleans()) else {}
    match move:
        case "filter":
            made.streams.append(stream.filter(is_even, name=name))
        case "map":
            made.streams.append(stream.map(picky, name=name, **typed))
        case "flat_map":
            made.streams.append(stream.flat_map(some, name=name, **typed))
        case "lazily":
            made.streams.append(stream.flat_map(lazily, name=name, returns=int))
        case "key_by":
            made.streams.append(stream.key_by(new_key, name=name))
        case "peek":
            made.streams.append(stream.peek(picky, name=name))
        case "map_record":
            made.streams.append(stream.map_record(restamp, name=name))
        case "split":
            parts = stream.split(even=is_even, picky=lambda value: picky(value) > 4)
            made.streams += [parts["even"], parts["picky"], parts["rest"]]
        case "branch":
            made.streams += stream.branch(is_even, name=name)
        case "merge":
            made.streams.append(stream.merge(draw(st.sampled_from(made.streams))))
        case "aggregate" | "group_by":
            group = (
                stream.group_by_key(name=name)
                if move == "aggregate"
                else stream.group_by(new_key, name=name, partitions=draw(st.sampled_from([None, 2])))
            )
            table = draw(st.sampled_from(AGGREGATES))(group)
            made.sinks += 1
            table.to(f"out-{made.sinks}")
        case "to_table":
            table = stream.to_table(name=name)
            made.tables.append(table)
            made.sinks += 1
            table.to(f"out-{made.sinks}")
        case "join" | "left_join" if made.tables:
            table = draw(st.sampled_from(made.tables))
            method = stream.join if move == "join" else stream.left_join
            made.streams.append(method(table, join, name=name, **typed))
        case "self_join":
            made.streams.append(stream.left_join(stream.to_table(name=f"{name}-t"), join, name=name, returns=int))
        case "with_key":
            made.streams.append(stream.map(keyed, with_key=True, name=name))
        case "numbers":
            table = draw(st.sampled_from(NUMBERS))(stream.group_by(new_key, key=str, name=name))
            made.tables.append(table)
            made.streams.append(table.to_stream().map(lambda number: number or 0, returns=int))
        case "of_type":
            made.streams.append(stream.of_type(int, name=name))
        case "changes" if made.tables:
            table = draw(st.sampled_from(made.tables))
            changes = table.to_stream().map(lambda number: number or 0, name=name, returns=int)
            made.streams.append(changes.left_join(table, join, returns=int, name=f"{name}-j"))
        case "repartition":
            made.streams.append(stream.repartition(name=name))
        case "to":
            made.sinks += 1
            stream.to("shared" if draw(st.booleans()) else f"out-{made.sinks}")
        case _:
            pass


def finish(draw: Any, made: Build, stream: Any) -> None:
    """End a stream in some topic: its own, one that others share, one that a function picks, or foreach."""
    made.sinks += 1
    ending = draw(st.sampled_from(["own", "own", "shared", "routed", "foreach"]))
    if ending == "own":
        stream.to(f"out-{made.sinks}")
    elif ending == "shared":
        stream.to("shared")
    elif ending == "routed":
        stream.to(lambda value: "shared" if value % 2 else "elsewhere", topics=["shared"])
    else:
        stream.foreach(picky)


@st.composite
def builds(draw: Any) -> Build:
    return build(draw)


def value_bytes(number: int) -> bytes | None:
    """Mostly numbers; now and then a null or what is no number."""
    if number == 97:
        return None
    return b"not json" if number == 98 else json.dumps(number).encode()


records = st.lists(
    st.tuples(
        st.sampled_from([*KEYS, *KEYS, *KEYS, None]),
        st.integers(0, 99),
        st.integers(0, 30),
        st.booleans(),
    ),
    max_size=40,
)


def stored(rows: Any) -> list[tuple[int, Stored]]:
    return [
        (
            0,
            Stored(
                None if key is None else key.encode(), value_bytes(value), 1000 + time, (("x", b"1"),) if headed else ()
            ),
        )
        for key, value, time, headed in rows
    ]


def where(run: PaperRun) -> tuple[str, int, int] | None:
    """Return the record at which a run failed; of several nodes that fail at it, either may be named."""
    failure = run.failure
    return None if failure is None else (failure.topic, failure.partition, failure.offset)


@pytest.mark.parametrize("restarts", [False, True], ids=["uncut", "cut and restored"])
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(
    made=builds(),
    one=records,
    two=records,
    facts=records,
    batch=st.sampled_from([2, 3, 7, 16, 100]),
    seed=st.integers(0, 1 << 16),
)
def test_batches_and_restarts_cannot_be_seen(
    restarts: bool, made: Build, one: Any, two: Any, facts: Any, batch: int, seed: int
) -> None:
    """One record at a time, and columns cut and restored anywhere, write the same records to every topic."""
    given_records = {"one": stored(one), "two": stored(two), "facts": stored(facts)}
    read = {topic for node in made.topology.nodes for topic in getattr(node, "topics", ())} | {
        getattr(node, "topic", None) for node in made.topology.nodes
    }
    given_records = {topic: rows for topic, rows in given_records.items() if topic in read}
    plain = PaperRun(made.topology, {}, given_records, batch=1, column_rows_min=1000)
    assume(not plain.feeds_itself)
    expected = plain.run()
    columns = PaperRun(
        made.topology,
        {},
        given_records,
        batch=batch,
        cuts=Random(seed) if restarts else None,
        column_rows_min=0,
    )
    found = columns.run()
    assert where(plain) == where(columns)
    for topic, partitions in expected.items():
        assert found[topic] == partitions, (topic, made.said)
