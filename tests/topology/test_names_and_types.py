"""Names do not shift, and types survive to run time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import tankstreams as ts
from tankstreams.topology.nodes import UNKNOWN, Aggregate, Repartition, Stateful


@dataclass
class Trip:
    km: float

    @classmethod
    def parse(cls, text: bytes) -> Trip:
        return cls(float(text))

    def longer(self, by: float) -> Trip:
        return Trip(self.km + by)


def to_trip(text: bytes) -> Trip:
    return Trip(float(text))


def maybe(text: bytes) -> Trip | None:
    return None


def trips(text: bytes) -> list[Trip]:
    return []


def lazily(text: bytes) -> Iterator[Trip]:
    yield Trip(1)


def untyped(text):  # type: ignore[no-untyped-def]
    return text


def anything(text: bytes) -> Any:
    return text


class Callable_:
    def __call__(self, text: bytes) -> Trip:
        return Trip(1)


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (to_trip, Trip),
        (maybe, Trip | None),
        (Trip, Trip),
        (Trip.parse, Trip),
        (Callable_(), Trip),
        (len, UNKNOWN),
        (untyped, UNKNOWN),
        (anything, UNKNOWN),
        (lambda text: Trip(1), UNKNOWN),
    ],
)
def test_map_takes_its_type_from_the_annotation(fn: Any, expected: Any) -> None:
    """An annotation, a class, or nothing: a lambda says nothing unless returns= does."""
    stream = ts.Topology("a").stream("in")
    assert stream.map(fn).node.value == expected
    assert stream.map(fn, returns=int).node.value is int


@pytest.mark.parametrize(
    ("fn", "expected"), [(trips, Trip), (lazily, Trip), (untyped, UNKNOWN), (bytes.split, UNKNOWN)]
)
def test_flat_map_takes_the_type_of_an_item(fn: Any, expected: Any) -> None:
    """list[U] and Iterator[U] give U."""
    assert ts.Topology("a").stream("in").flat_map(fn).node.value == expected


def test_types_are_kept_where_values_are() -> None:
    """filter, peek, key_by, repartition keep the value's type; key_by gives the key another."""
    stream = ts.Topology("a").stream("in", key=str, value=Trip)
    kept = stream.filter(bool).peek(print).key_by(lambda trip: 1, key=int).repartition()
    assert (kept.node.key, kept.node.value) == (int, Trip)
    assert (stream.branch(bool)[0].node.key, stream.to_table().node.value) == (str, Trip)
    assert stream.to_table().to_stream().node.value == Trip | None


def test_merge_unites_types() -> None:
    """Equal types stay, different ones become a union, one unknown makes all unknown."""
    topology = ts.Topology("a")
    one, two = topology.stream("a", value=Trip), topology.stream("b", value=int)
    assert one.merge(topology.stream("c", value=Trip)).node.value is Trip
    assert one.merge(two).node.value == Trip | int
    assert one.merge(two.map(lambda n: n)).node.value is UNKNOWN
    assert topology.stream("d", key=str).merge(topology.stream("e", key=int)).node.key is UNKNOWN


def test_aggregations_know_their_results() -> None:
    """count is int, mean a float or nothing, a class itself, keywords a dict, reduce the stream's type."""
    group = ts.Topology("a").stream("in", key=str, value=Trip).group_by_key()
    assert group.count().node.value is int
    assert group.mean(lambda trip: trip.km).node.value == float | None
    assert group.reduce(lambda a, b: a).node.value is Trip
    assert group.aggregate(n=ts.count()).node.value == dict[str, Any]
    assert group.aggregate(Trip, km=ts.sum(lambda trip: trip.km)).node.value is Trip
    assert group.sum(lambda trip: trip.km).node.value is UNKNOWN
    assert group.aggregate(ts.collect(to_trip)).node.value == list[Trip]


def build(extra: bool) -> ts.Topology:
    """Build a topology, with something added elsewhere or not."""
    topology = ts.Topology("app")
    lines = topology.stream("lines", value=str)
    if extra:
        topology.stream("other").map(len).to("lengths")
        lines.filter(str.isdigit).to("numbers")
    words = lines.flat_map(str.split, returns=str)
    if extra:
        words.map(len).to("sizes")
    words.group_by(str.lower).count().to("counts")
    words.group_by(len, name="by-length").count().to("sizes")
    return topology


def owned(topology: ts.Topology) -> set[str]:
    """Return the names of the topics that a topology owns."""
    return {topology.changelog_topic(node) for node in topology.nodes if isinstance(node, Stateful)} | {
        topology.repartition_topic(node) for node in topology.nodes if isinstance(node, Repartition)
    }


def test_generated_names_do_not_shift() -> None:
    """A node added elsewhere changes no name of a topic: source topic and operator path make the name."""
    assert (
        owned(build(extra=False))
        == owned(build(extra=True))
        == {
            "app-lines.flat_map.group_by-repartition",
            "app-lines.flat_map.group_by-changelog",
            "app-by-length-repartition",
            "app-by-length-changelog",
        }
    )


def test_siblings_of_one_path_are_numbered() -> None:
    """The second unnamed filter of a stream is filter-2."""
    stream = ts.Topology("a").stream("in")
    assert [stream.filter(bool).node.name for _ in range(3)] == ["in.filter", "in.filter-2", "in.filter-3"]


def test_long_paths_stay_within_a_topic_name() -> None:
    """A hundred operators in a row still make a legal topic name."""
    stream: ts.Stream[Any, Any] = ts.Topology("a").stream("in")
    for _ in range(100):
        stream = stream.map(len)
    table = stream.group_by(len).count()
    assert isinstance(table.node, Aggregate)
    assert len(table.node.name) < 160


def test_a_group_is_repartitioned_once() -> None:
    """Two aggregations of one group share its repartition; each has a store of its own."""
    topology = ts.Topology("a")
    group = topology.stream("in").group_by(len, name="g")
    group.count().to("n")
    group.sum(len).to("s")
    assert [node.name for node in topology.nodes if isinstance(node, Repartition)] == ["g.repartition"]
    assert [node.name for node in topology.nodes if isinstance(node, Aggregate)] == ["g", "g.sum"]


def test_only_a_changed_key_is_repartitioned() -> None:
    """group_by_key, join and to_table of what was keyed by its topic read it where it lies."""
    topology = ts.Topology("a")
    stream, table = topology.stream("in", key=str), topology.table("t", key=str)
    stream.filter(bool).map(len).group_by_key(name="g").count().to("n")
    stream.join(table, max).to_table(name="j").to("j")
    assert not any(isinstance(node, Repartition) for node in topology.nodes)
    stream.key_by(str).filter(bool).join(table, max, name="k").to("k")
    assert [node.name for node in topology.nodes if isinstance(node, Repartition)] == ["k.repartition"]
