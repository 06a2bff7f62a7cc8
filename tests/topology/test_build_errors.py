"""What is built wrong is said when it is built, with the user's file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import tankstreams as ts
from tankstreams.errors import ConfigError, InvalidTopicName, TopologyError


@dataclass
class Delay:
    airport: str
    n: int
    mean: float | None = None


async def later(value: bytes) -> int:
    return 1


def fresh() -> tuple[ts.Topology, ts.Stream[str, int], ts.Table[str, int]]:
    topology = ts.Topology("app")
    return topology, topology.stream("in", key=str, value=int), topology.table("facts", key=str, value=int)


Mistake = Callable[[ts.Topology, Any, Any], object]

MISTAKES: dict[str, tuple[Mistake, str]] = {
    "async function": (lambda t, s, f: s.map(later), "async function 'later'"),
    "no function": (lambda t, s, f: s.map(3), "map takes a function, not int"),
    "two arguments": (lambda t, s, f: s.map(lambda k, v: v), "pass with_key=True"),
    "one argument with key": (lambda t, s, f: s.filter(lambda v: v, with_key=True), "as two arguments"),
    "join of one argument": (lambda t, s, f: s.join(f, lambda v: v), "join calls its function with 2 arguments"),
    "join of a stream": (lambda t, s, f: s.join(s, lambda a, b: a), "joins a table, not Stream"),
    "join of other keys": (
        lambda t, s, f: s.join(t.table("ints", key=int, value=int), lambda a, b: a),
        "needs equal keys on both sides: the stream's are str, those of the table 'ints' are int",
    ),
    "another topology": (lambda t, s, f: s.merge(ts.Topology("b").stream("x")), "another topology"),
    "unknown field": (
        lambda t, s, f: s.group_by_key().aggregate(Delay, airport=ts.key(), n=ts.count(), worst=ts.max(abs)),
        "Delay has no field worst",
    ),
    "missing field": (lambda t, s, f: s.group_by_key().aggregate(Delay, n=ts.count()), "leaves out airport"),
    "no aggregation": (lambda t, s, f: s.group_by_key().aggregate(), "at least one aggregation"),
    "not an aggregation": (lambda t, s, f: s.group_by_key().aggregate(n=3), "such as n=ts.count()"),
    "top of nothing": (lambda t, s, f: ts.top(0, abs, by=abs), "top keeps 1 record or more"),
    "fold without arguments": (
        lambda t, s, f: s.group_by_key().aggregate(ts.fold(list, lambda acc: acc)),
        "fold's add calls its function with 2 arguments",
    ),
    "name twice": (
        lambda t, s, f: (s.filter(bool, name="x"), s.map(abs, name="x")),
        "the name 'x' is taken already",
    ),
    "group name twice": (
        lambda t, s, f: (s.group_by(str, name="x").count(), s.group_by(str, name="x").count()),
        "the name 'x' is taken already",
    ),
    "bad name": (lambda t, s, f: s.filter(bool, name="no spaces"), "cannot be used"),
    "key of str or int": (lambda t, s, f: s.key_by(abs, key=str | int), "cannot be a key"),
    "type without encoding": (lambda t, s, f: s.map(abs, returns=complex), "complex has no encoding"),
    "split without branches": (lambda t, s, f: s.split(), "split takes branches by keyword"),
    "split with rest": (lambda t, s, f: s.split(rest=bool), 'keeps the name "rest"'),
    "routing without topics": (lambda t, s, f: s.to(lambda v: "a"), "needs the topics"),
    "other topic type": (
        lambda t, s, f: s.to(ts.Topic("out", key=str, value=Delay)),
        "takes values of type Delay, and this stream's are int",
    ),
    "partitions": (lambda t, s, f: s.repartition(0), "partitions must be 1 or more"),
    "on_error": (lambda t, s, f: s.filter(bool, on_error="ignore"), 'takes on_error="fail", "skip"'),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_said_where_it_is_made(name: str) -> None:
    """One sentence that says what was expected and what came, and the line of this file."""
    mistake, words = MISTAKES[name]
    topology, stream, facts = fresh()
    with pytest.raises(TopologyError, match=re.escape(words)) as raised:
        mistake(topology, stream, facts)
    assert re.search(r"test_build_errors\.py:\d+$", raised.value.where or "")
    assert str(raised.value).startswith(f"{raised.value.where}: ")


LOOSE: dict[str, tuple[Mistake, str]] = {
    "nothing": (lambda t, s, f: None, "in leads nowhere"),
    "a result thrown away": (lambda t, s, f: s.map(abs), "in.map leads nowhere"),
    "a group without aggregation": (lambda t, s, f: s.group_by(str, name="g"), "g.repartition leads nowhere"),
    "a table that nobody uses": (lambda t, s, f: s.group_by_key(name="g").count(), "the table is kept and never used"),
    "a table that is only read": (
        lambda t, s, f: (s.to("out"), t.table("facts")),
        "facts leads nowhere: the table is read and never used",
    ),
    "no branch is used": (lambda t, s, f: s.branch(bool), "no branch of it is used"),
}


@pytest.mark.parametrize("name", LOOSE)
def test_a_chain_that_leads_nowhere_is_said(name: str) -> None:
    """When the topology is run or described: a result thrown away is most likely a slip."""
    loose, words = LOOSE[name]
    topology = ts.Topology("app")
    loose(topology, topology.stream("in", key=str, value=int), None)
    with pytest.raises(TopologyError, match=re.escape(words)):
        topology.check()


def test_one_branch_is_enough() -> None:
    """The other branch of a split may end where it is, and a peek may end a chain."""
    topology, stream, facts = fresh()
    yes, _ = stream.branch(bool)
    yes.join(facts, max).peek(print)
    topology.check()


def test_an_empty_topology_reads_nothing() -> None:
    """There is nothing to run."""
    with pytest.raises(TopologyError, match="reads nothing"):
        ts.Topology("empty").check()


def test_strict_names_refuses_generated_names_on_state() -> None:
    """State and repartitions carry their names into topics: strict_names wants them chosen."""
    topology = ts.Topology("app", strict_names=True)
    topology.stream("in").group_by(len).count().to("out")
    with pytest.raises(TopologyError, match="strict_names is set"):
        topology.check()
    named = ts.Topology("app", strict_names=True)
    named.stream("in").group_by(len, name="by-length").count().to("out")
    named.check()


def test_bad_settings_are_refused() -> None:
    """The keywords of Topology and their overrides as text are checked alike."""
    with pytest.raises(InvalidTopicName):
        ts.Topology("no spaces")
    with pytest.raises(ConfigError, match="commit_interval_ms is 0 to"):
        ts.Topology("a", commit_interval_ms=-1)
    settings = ts.Topology("a").settings
    with pytest.raises(ConfigError, match="There is no setting 'workers'"):
        settings.override({"workers": "3"})
    with pytest.raises(ConfigError, match="is a whole number"):
        settings.override({"default_partitions": "many"})
    changed = settings.override({"on_error": "dead-letter:odd", "commit_interval_ms": "5", "strict_names": "true"})
    assert (changed.on_error, changed.commit_interval_ms, changed.strict_names) == (ts.DeadLetter("odd"), 5, True)


def test_other_settings_reach_the_nodes_that_inherited() -> None:
    """on_error from outside replaces the topology's, not what a node was given."""
    topology = ts.Topology("a")
    topology.stream("in", on_error="skip").map(len).to("out")
    other = topology.with_settings(topology.settings.override({"on_error": "odd"}))
    assert [node.on_error for node in other.nodes] == ["skip", ts.DeadLetter("odd"), ts.DeadLetter("odd")]
    assert [node.on_error for node in topology.nodes] == ["skip", "fail", "fail"]
