"""What is too large fails at the node that made it, with its record; what ends, ends."""

from __future__ import annotations

from pathlib import Path

import pytest

import tankstreams as ts
from tankstreams.errors import ProcessingError
from tankstreams.log.limits import RECORD_BYTES_MAX


def values(directory: str, topic: str) -> list[bytes | None]:
    with ts.open_log_sync(directory) as log:
        return [value for _, records in log.read(topic) for value in records.values]


def loaded(tmp_path: Path, *lines: bytes) -> str:
    directory = f"{tmp_path}/log"
    with ts.open_log_sync(directory, durability="os") as log:
        for topic in ("in", "out", "dead"):
            log.create_topic(topic)
        log.produce("in", lines, keys=["k"] * len(lines), timestamps=1)
    return directory


def test_a_record_that_is_too_large_to_write_fails_at_its_sink(tmp_path: Path) -> None:
    """The records before it are committed, and the error names it; with a dead letter the others go on."""
    directory = loaded(tmp_path, b"1", b"2", b"3")

    def blow_up(value: bytes) -> bytes:
        return value * (RECORD_BYTES_MAX + 1 if value == b"2" else 1)

    failing = ts.Topology("failing")
    failing.stream("in").map(blow_up).to("out")
    with pytest.raises(ProcessingError, match=f"the record has {RECORD_BYTES_MAX + 2} bytes") as raised:
        ts.run(failing, log=directory, until_end=True)
    assert (raised.value.node, raised.value.offset) == ("in.map.to", 1)
    assert values(directory, "out") == [b"1"]

    letters = ts.Topology("letters", on_error=ts.DeadLetter("dead"))
    letters.stream("in").map(blow_up).to("out")
    ts.run(letters, log=directory, until_end=True)
    assert values(directory, "out") == [b"1", b"1", b"3"]
    assert values(directory, "dead") == [b"2"]


def test_state_that_grows_too_large_fails_at_its_node(tmp_path: Path) -> None:
    """A collect without end is stopped before its changelog could not be written; the state stays as it was."""
    half = b"x" * (RECORD_BYTES_MAX // 2)
    directory = loaded(tmp_path, half, half, b"y")
    topology = ts.Topology("app", on_error="skip")
    group = topology.stream("in").group_by_key(name="all")
    group.aggregate(ts.collect(lambda value: value)).to_stream().map(lambda found: b"%d" % len(found or [])).to("out")
    ts.run(topology, log=directory, until_end=True)
    assert values(directory, "out") == [b"1", b"2"]


def test_much_output_is_committed_in_pieces(tmp_path: Path) -> None:
    """A commit is due when 64 MiB wait, whatever the interval: a step that multiplies its input stays bounded."""
    directory = loaded(tmp_path, *[b"%d" % number for number in range(40_000)])
    topology = ts.Topology("app", commit_interval_ms=3_600_000)
    topology.stream("in").map(lambda value: value.ljust(8_000)).to("out")
    seen = []
    ts.run(topology, log=directory, until_end=True, progress=seen.append)
    assert len(seen) >= 3
    assert seen[-1].written == 40_000


def test_a_part_that_feeds_itself_comes_to_an_end(tmp_path: Path) -> None:
    """A stream merged with its own repartition reads what it writes; --until-end ends all the same."""
    directory = loaded(tmp_path, b"1", b"2")
    topology = ts.Topology("app")
    stream = topology.stream("in")
    stream.merge(stream.repartition(2, name="again")).to("out")
    ts.run(topology, log=directory, until_end=True)
    assert sorted(map(str, values(directory, "out"))) == ["b'1'", "b'1'", "b'2'", "b'2'"]
