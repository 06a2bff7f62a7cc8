"""``tankstreams topic``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Tank


def test_topics_are_created_listed_and_deleted(tank: Tank) -> None:
    """In a pipe a line a topic: name, partitions, records, bytes."""
    assert tank("topic", "create", "orders", "--partitions", "4").code == 0
    assert tank("topic", "create", "clicks", "--partitions", "1", "--config", "retention_ms=7d").code == 0
    assert tank("topic", "list").out == "clicks\t1\t0\t0\norders\t4\t0\t0\n"
    assert tank("topic", "delete", "orders", "--yes").code == 0
    assert [row["topic"] for row in json.loads(tank("topic", "list", "--json").out)] == ["clicks"]


def test_a_topic_is_described(tank: Tank) -> None:
    """As JSON: settings, and the bounds of each partition."""
    tank("topic", "create", "t", "--partitions", "2")
    tank("produce", "t", stdin="a\nb\n")
    described = json.loads(tank("topic", "describe", "t", "--json").out)
    assert described["topic"] == "t"
    assert sorted(part["next_offset"] for part in described["partitions"]) == [0, 2]


def test_a_topic_is_created_once(tank: Tank) -> None:
    """A second time is an error, or nothing with --if-not-exists."""
    tank("topic", "create", "t", "--partitions", "2")
    again = tank("topic", "create", "t", "--partitions", "2")
    assert again.code == 1
    assert again.err == "Error: Topic 't' exists already: choose another name, or pass --if-not-exists.\n"
    assert tank("topic", "create", "t", "--partitions", "2", "--if-not-exists").code == 0


def test_deleting_in_a_pipe_needs_yes(tank: Tank) -> None:
    """What destroys is not done unasked."""
    tank("topic", "create", "t", "--partitions", "1")
    tank("produce", "t", stdin="a\n")
    result = tank("topic", "delete", "t")
    assert (result.code, result.err) == (2, "Error: Deleting topic t destroys 1 record: add --yes to do it.\n")
    assert tank("topic", "list").out.startswith("t\t1\t1\t")


def test_a_missing_topic_names_the_command(tank: Tank) -> None:
    """The sentence holds the exact command that creates it."""
    for command in (("consume", "no"), ("produce", "no"), ("topic", "describe", "no"), ("topic", "delete", "no")):
        result = tank(*command)
        assert result.code == 1
        assert result.err == (
            "Error: There is no topic 'no' in this log: create it with tankstreams topic create no --partitions 4.\n"
        )


def test_an_unknown_setting_of_a_topic_is_refused(tank: Tank) -> None:
    """Exit code 2, and nothing is created."""
    result = tank("topic", "create", "t", "--partitions", "1", "--config", "retention_hours=1")
    assert result.code == 2
    assert "retention_hours" in result.err
    assert tank("topic", "list").out == ""


def test_a_bad_name_is_refused(tank: Tank) -> None:
    """Kafka's rule for names."""
    result = tank("topic", "create", "a b", "--partitions", "1")
    assert result.code == 2
    assert result.err.startswith("Error: 'a b' cannot name a topic")


def test_a_bare_word_makes_no_directory(tank: Tank, tmp_path: Path) -> None:
    """A word without a separator must exist; the default and a path are made."""
    result = tank("topic", "list", "--log", "prod")
    assert result.code == 1
    assert result.err.startswith("Error: There is no directory prod: check its name, or write ./prod to make it.")
    assert tank("topic", "list", "--log", "./prod").code == 0
    assert (tmp_path / "prod").is_dir()
    assert tank("topic", "list", "--log", "prod").code == 0


def test_addresses_of_later_releases_are_refused(tank: Tank) -> None:
    """tank:// and kafka:// are said to come later, other schemes to be unknown."""
    assert "comes in a later release" in tank("topic", "list", "--log", "tank://here:11011").err
    assert "comes in a later release" in tank("topic", "list", "--log", "kafka://here:9092").err
    result = tank("topic", "list", "--log", "http://here")
    assert (result.code, "unknown scheme" in result.err) == (2, True)
