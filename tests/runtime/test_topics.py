"""What a run finds and makes on the log before it reads a record."""

from __future__ import annotations

from pathlib import Path

import pytest

import tankstreams as ts
from tankstreams.errors import StateMismatch, TopicNotFound, TopologyError

FACTS = ts.Topic("facts", key=str, value=int, partitions=3)
OUT = ts.Topic("out", key=str, value=int, partitions=2, config={"segment_bytes": "1MiB"})


def joined() -> ts.Topology:
    topology = ts.Topology("app", default_partitions=3)
    facts = topology.table(FACTS)
    topology.stream("in", key=str, value=int).join(facts, lambda a, b: a + b, returns=int, name="sum").to(OUT)
    return topology


def partitions(directory: str) -> dict[str, int]:
    with ts.open_log_sync(directory) as log:
        return {info.name: len(info.partitions) for info in log.topics()}


def create(directory: str, **topics: int) -> None:
    with ts.open_log_sync(directory) as log:
        for name, count in topics.items():
            log.create_topic(name, partitions=count)


def test_a_missing_topic_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    """One sentence with the command; no internal topic appears."""
    directory = f"{tmp_path}/log"
    create(directory, facts=3)
    with pytest.raises(TopicNotFound, match="tankstreams topic create in --partitions 3") as raised:
        ts.run(joined(), log=directory, until_end=True)
    assert raised.value.topic == "in"
    assert partitions(directory) == {"facts": 3}


def test_create_topics_follows_the_declarations(tmp_path: Path) -> None:
    """Partitions and configuration of a `Topic`, else the topology's default; changelogs as many as tasks."""
    directory = f"{tmp_path}/log"
    ts.run(joined(), log=directory, until_end=True, create_topics=True)
    assert partitions(directory) == {"app-facts-changelog": 3, "facts": 3, "in": 3, "out": 2}
    with ts.open_log_sync(directory) as log:
        assert log.describe_topic("out").config == {"segment_bytes": 1 << 20}
        assert log.describe_topic("app-facts-changelog").config == {"cleanup_policy": "compact"}


def test_joined_topics_must_have_equal_partitions(tmp_path: Path) -> None:
    """Said before anything is touched, with what to do; a repartition takes the table's count by itself."""
    directory = f"{tmp_path}/log"
    create(directory, facts=3, **{"in": 2}, out=1)
    with pytest.raises(TopologyError, match=r"'in' has 2, 'facts' has 3.*repartition\(3\)"):
        ts.run(joined(), log=directory, until_end=True)
    assert set(partitions(directory)) == {"facts", "in", "out"}

    topology = ts.Topology("again")
    facts = topology.table(FACTS)
    topology.stream("in", key=str, value=int).key_by(str, key=str).join(facts, max, name="most").to("out")
    ts.run(topology, log=directory, until_end=True)
    assert partitions(directory)["again-most-repartition"] == 3


def test_state_that_no_longer_fits_is_refused(tmp_path: Path) -> None:
    """Sources with other partition counts than the changelog was made for."""
    directory = f"{tmp_path}/log"

    def counting() -> ts.Topology:
        topology = ts.Topology("app")
        topology.stream("in", key=str).group_by_key(name="n").count().to("out")
        return topology

    create(directory, **{"in": 2}, out=1)
    ts.run(counting(), log=directory, until_end=True)
    with ts.open_log_sync(directory) as log:
        log.delete_topic("in")
        log.create_topic("in", partitions=4)
    with pytest.raises(
        StateMismatch, match="'app-n-changelog' has 2 partitions in this log and the topology now needs 4"
    ):
        ts.run(counting(), log=directory, until_end=True)


def test_a_source_that_moved_to_another_task_is_refused(tmp_path: Path) -> None:
    """Its position would be another task's: said, nothing touched."""
    directory = f"{tmp_path}/log"
    create(directory, a=1, b=1, out=1)

    def reading(*topics: str) -> ts.Topology:
        topology = ts.Topology("app")
        for topic in topics:
            topology.stream(topic).to("out")
        return topology

    with ts.open_log_sync(directory) as log:
        log.produce("a", ["x"])
        log.produce("b", ["y"])
    ts.run(reading("a", "b"), log=directory, until_end=True)
    merged = ts.Topology("app")
    merged.stream("b").merge(merged.stream("a")).to("out")
    with pytest.raises(StateMismatch, match="was read by task 'a/0'"):
        ts.run(merged, log=directory, until_end=True)
    ts.run(reading("b", "a"), log=directory, until_end=True)
    with ts.open_log_sync(directory) as log:
        assert log.describe_topic("out").partitions[0].high_watermark == 2


def test_a_stream_that_both_reads_and_writes_a_topic_ends(tmp_path: Path) -> None:
    """--until-end: the topic ends where it ended at the start; what the run adds is left for the next."""
    directory = f"{tmp_path}/log"
    create(directory, ping=1)
    topology = ts.Topology("app")
    topology.stream("ping", value=int).filter(lambda n: n < 3).map(lambda n: n + 1, returns=int).to("ping")
    with ts.open_log_sync(directory) as log:
        log.produce("ping", ["0"])
    for expected in (2, 3, 4, 4):
        ts.run(topology, log=directory, until_end=True)
        with ts.open_log_sync(directory) as log:
            assert log.describe_topic("ping").partitions[0].high_watermark == expected
