"""How a topology is cut into parts, and where it must run record by record."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import tankstreams as ts
from tankstreams.topology.nodes import Node
from tankstreams.topology.plan import record_by_record, subtopologies


def slow(topology: ts.Topology) -> set[str]:
    """Return the names of the nodes that run record by record."""
    return {topology.nodes[id_].name for id_ in record_by_record(topology)}


def test_a_chain_runs_in_columns() -> None:
    """One child after the other: nothing to interleave, dead letters included."""
    topology = ts.Topology("a", on_error=ts.DeadLetter("odd"))
    topology.stream("in").map(len).filter(bool).key_by(str).group_by_key(name="g").count().to("out")
    assert slow(topology) == set()


def test_a_fork_that_never_meets_runs_in_columns() -> None:
    """Branches that write different topics cannot be told from one record at a time."""
    topology = ts.Topology("a")
    stream = topology.stream("in")
    stream.map(len).to("x")
    stream.filter(bool).to("y")
    assert slow(topology) == set()


def test_branches_that_write_one_topic_run_record_by_record() -> None:
    """From the fork down to both sinks."""
    topology = ts.Topology("a")
    stream = topology.stream("in").map(len)
    stream.filter(bool).to("x")
    stream.map(str).to("x")
    assert slow(topology) == {"in.map", "in.map.filter", "in.map.filter.to", "in.map.map", "in.map.map.to"}


def test_below_the_meeting_columns_begin_again() -> None:
    """A merge is where branches meet; what follows it is a chain."""
    topology = ts.Topology("a")
    stream = topology.stream("in").peek(print)
    stream.filter(bool).merge(stream.map(len, name="m")).map(len, name="after").to("x")
    assert slow(topology) == {"in.peek", "in.peek.filter", "m", "in.peek.filter.merge"}


def test_dead_letters_and_routes_count_as_topics() -> None:
    """A dead letter of one branch and a route of the other may be the same topic."""
    topology = ts.Topology("a")
    stream = topology.stream("in")
    stream.map(len, name="m", on_error=ts.DeadLetter("x")).to("y")
    stream.to(lambda value: "x", topics=["x", "z"])
    assert slow(topology) == {"in", "m", "in.to"}


def test_a_join_below_its_own_table_runs_record_by_record() -> None:
    """The table is upserted by a record before, or after, it is looked up: the order shows."""
    topology = ts.Topology("a")
    stream = topology.stream("in", key=str)
    stream.left_join(stream.to_table(name="t"), lambda value, seen: seen, name="j").to("x")
    assert slow(topology) == {"in", "t", "j"}


def test_two_readers_of_a_topic_fork_at_it() -> None:
    """The topic itself is the fork: two streams of it that write one topic run side by side."""
    topology = ts.Topology("a")
    topology.stream("in").to("x")
    topology.stream("in").map(len, name="m").to("x")
    assert slow(topology) == {"in", "in.to", "in-2", "m", "m.to"}
    other = ts.Topology("b")
    other.stream("in").to("x")
    other.stream("in").to("y")
    assert slow(other) == set()


def test_a_topology_is_cut_at_its_repartitions() -> None:
    """Each side of a repartition topic is a part with inputs and outputs of its own."""
    topology = ts.Topology("a", on_error=ts.DeadLetter("odd"))
    topology.stream("in").group_by(len, name="g").count().to("out")
    first, second = subtopologies(topology)
    assert (first.name, dict(first.inputs), first.outputs) == ("in", {"in": (0,)}, ("a-g-repartition", "odd"))
    assert (second.name, list(second.inputs), second.outputs) == (
        "a-g-repartition",
        ["a-g-repartition"],
        ("odd", "out"),
    )


def test_what_reads_one_topic_or_joins_is_one_part() -> None:
    """Readers of a topic share its position; a join needs its table in the same task."""
    topology = ts.Topology("a")
    table = topology.table("t", key=str)
    topology.stream("in", key=str).to("x")
    topology.stream("in", key=str).join(table, max, name="j").to("y")
    topology.stream("other").to("z")
    parts = subtopologies(topology)
    assert [(part.name, list(part.inputs)) for part in parts] == [("t", ["t", "in"]), ("other", ["other"])]


@st.composite
def graphs(draw: Any) -> ts.Topology:
    """Small topologies of maps, merges, sinks and dead letters."""
    topology = ts.Topology("a")
    streams: list[Any] = [topology.stream("in")]
    for number in range(draw(st.integers(1, 6))):
        stream = draw(st.sampled_from(streams))
        move = draw(st.sampled_from(["map", "dead", "merge", "to"]))
        if move == "merge":
            streams.append(stream.merge(draw(st.sampled_from(streams))))
        elif move == "to":
            stream.to(draw(st.sampled_from(["x", "y"])))
        else:
            dead = ts.DeadLetter("x") if move == "dead" else None
            streams.append(stream.map(len, name=f"n{number}", on_error=dead))
    return topology


def order_in_columns(topology: ts.Topology, columns: frozenset[int]) -> dict[str, list[tuple[int, int]]]:
    """Return (record, writer) in the order in which a topic would be written, two records at a time.

    A node outside ``columns`` sends both records on one after the other; one inside sends them together. Every node
    with a dead letter is taken to fail at both records and to pass them on all the same: the worst that can be seen.
    """
    written: dict[str, list[tuple[int, int]]] = {}
    children: dict[int, list[Node]] = {node.id: [] for node in topology.nodes}
    for node in topology.nodes:
        for parent in node.parents:
            children[parent].append(node)

    def visit(node: Node, records: tuple[int, ...]) -> None:
        if node.id not in columns and len(records) > 1:
            for record in records:
                visit(node, (record,))
            return
        sink = getattr(node, "topic", None)
        if isinstance(sink, str):
            written.setdefault(sink, []).extend((record, node.id) for record in records)
        for child in children[node.id]:
            visit(child, records)

    visit(topology.nodes[0], (0, 1))
    return written


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_columns_never_change_the_order_of_a_topic(topology: ts.Topology) -> None:
    """By brute force: the plan's columns write every sink's topic as one record at a time does."""
    every = frozenset(node.id for node in topology.nodes)
    planned = order_in_columns(topology, every - record_by_record(topology))
    assert planned == order_in_columns(topology, frozenset())


def test_the_brute_force_sees_a_wrong_plan() -> None:
    """All in columns is wrong where branches meet: the property above can fail."""
    topology = ts.Topology("a")
    stream = topology.stream("in")
    for _ in product(range(2)):
        stream.map(len).to("x")
    every = frozenset(node.id for node in topology.nodes)
    assert order_in_columns(topology, every) != order_in_columns(topology, frozenset())
