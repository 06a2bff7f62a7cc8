"""A topology drawn: what flows where, where state is, where records are repartitioned, what runs record by record."""

from __future__ import annotations

import json

import pytest

import tankstreams as ts
from tankstreams.errors import ConfigError, TopologyError


def drawn() -> ts.Topology:
    topology = ts.Topology("app", on_error=ts.DeadLetter("odd"))
    names = topology.table("names", key=str, value=str)
    words = topology.stream("lines", value=str, on_error="skip").flat_map(str.split, returns=str)
    words.key_by(str.lower, key=str).left_join(names, lambda word, name: name or word, name="named").to("named")
    words.group_by(str.lower).count().to("counts")
    return topology


def test_the_tree_shows_parts_state_and_warnings() -> None:
    """For people: sources, repartition topics, changelogs, on_error, what is record by record, generated names."""
    lines = drawn().describe().splitlines()
    text = "\n".join(lines)
    assert lines[0] == "app  (on_error dead letter to odd, commits every 100 ms)"
    assert "◫ names: table of str by str  [state in app-names-changelog]" in text
    assert "[on_error skip]" in text
    assert "└╌ looked up by named" in text
    assert "⇉" in text and "to app-named-repartition" in text and "from app-named-repartition" in text
    assert "▣ aggregate lines.flat_map.group_by  [count, state in app-lines.flat_map.group_by-changelog]" in text
    assert "·↻ flat_map lines.flat_map" in text  # its branches share the dead letter topic
    assert lines[-1].startswith(
        "warning: generated names on state or repartitions (lines.flat_map.group_by.repartition"
    )


def test_json_has_every_node_and_what_it_owns() -> None:
    """For programs: parts, inputs, outputs, nodes with their topics, changelogs and flags."""
    described = json.loads(drawn().describe("json"))
    assert [part["inputs"] for part in described["parts"]] == [
        ["names", "app-named-repartition"],
        ["lines"],
        ["app-lines.flat_map.group_by-repartition"],
    ]
    nodes = {node["name"]: node for part in described["parts"] for node in part["nodes"]}
    assert nodes["names"]["changelog"] == "app-names-changelog"
    assert nodes["lines.flat_map"]["one_by_one"] is True
    assert nodes["named"]["operation"] == "left_join"
    assert described["generated_names"] == ["lines.flat_map.group_by.repartition", "lines.flat_map.group_by"]


@pytest.mark.parametrize("format", ["mermaid", "dot"])
def test_pictures_have_every_node_and_arrow(format: str) -> None:
    """Every node once, twice where it is a repartition, and an arrow for each edge."""
    topology = drawn()
    text = topology.describe(format)  # type: ignore[arg-type]
    for node in topology.nodes:
        assert f"n{node.id}" in text
    arrows = text.count("-->") + text.count("-. looked up .->") + text.count("==>") + text.count(" -> ")
    assert arrows == topology.graph.number_of_edges() + 2  # each repartition topic is an arrow of its own
    assert "record by record" in text


def test_a_topology_that_is_not_whole_is_not_drawn() -> None:
    """describe says what run would say."""
    topology = ts.Topology("app")
    topology.stream("in").map(len)
    with pytest.raises(TopologyError, match="leads nowhere"):
        topology.describe()
    with pytest.raises(ConfigError, match="tree, mermaid, dot, json"):
        drawn().describe("svg")  # type: ignore[arg-type]
