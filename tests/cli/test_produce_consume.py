"""``tankstreams produce`` and ``tankstreams consume``: what goes in comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tankstreams as ts
from tankstreams.cli.parsing import Fields, parser_of
from tankstreams.cli.rendering import Row, renderer_of
from tankstreams.log.records import TopicPartition
from tests.cli.conftest import Tank

NEEDS_NO_FRESH_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def records(tank: Tank, topic: str = "t") -> list[dict[str, object]]:
    """Return what a topic holds, as records."""
    out = tank("consume", topic, "--until-end", "--format", "record").out
    return [json.loads(line) for line in out.splitlines()]


def test_a_line_is_a_value(tank: Tank) -> None:
    """The default format, in and out; the last line may lack its end, an empty line is an empty value."""
    result = tank("produce", "t", "--partitions", "1", stdin="one\n\ntwo")
    assert (result.code, result.err) == (0, "Produced 3 records to t.\n")
    assert tank("consume", "t", "-e").out == "one\n\ntwo\n"


def test_a_separator_ends_the_key(tank: Tank) -> None:
    """What stands before the first separator is the key."""
    tank("produce", "t", "--partitions", "1", "--key-separator", ":", stdin="a:1\nb:2:3\n")
    assert tank("consume", "t", "-e", "--format", "{key}={value}").out == "a=1\nb=2:3\n"


def test_json_keeps_its_bytes_and_gives_its_key(tank: Tank) -> None:
    """The value is the line as it is; the key has the field's public encoding, null makes a null key."""
    lines = '{"id": "a", "n" : 1}\n{"id": 7}\n{"id": null}\n{"id": {"b": 1, "a": 2}}\n'
    tank("produce", "t", "--partitions", "1", "--format", "json", "--key", "id", stdin=lines)
    assert [row["key"] for row in records(tank)] == ["a", "7", None, '{"a":2,"b":1}']
    assert tank("consume", "t", "-e").out == lines


def test_csv_rows_become_objects(tank: Tank) -> None:
    """Fields are strings and null where empty, unless --types says otherwise."""
    text = 'id,price,note,name\n1,2.5,"a, b",\n2,,,\n'
    result = tank(
        "produce",
        "t",
        "--partitions",
        "1",
        "--format",
        "csv",
        "--key",
        "id",
        "--types",
        "price=float,name=str",
        stdin=text,
    )
    assert result.code == 0
    values = [json.loads(str(row["value"])) for row in records(tank)]
    assert values == [
        {"id": "1", "price": 2.5, "note": "a, b", "name": ""},
        {"id": "2", "price": None, "note": None, "name": ""},
    ]
    assert [row["key"] for row in records(tank)] == ["1", "2"]


def test_times_come_from_a_field_or_are_given(tank: Tank) -> None:
    """A field holds milliseconds or ISO 8601 with a zone; --timestamp TIME stamps all."""
    lines = '{"at": 5}\n{"at": "1970-01-01T00:00:00.007Z"}\n'
    tank("produce", "t", "--partitions", "1", "--format", "json", "--timestamp", "at", stdin=lines)
    tank("produce", "t", "--timestamp", "1970-01-01T00:00:01+00:00", stdin="x\n")
    assert [row["timestamp"] for row in records(tank)] == [5, 7, 1000]


def test_empty_lines_are_no_json(tank: Tank) -> None:
    """Between JSON lines they are passed over; an empty CSV makes nothing."""
    tank("produce", "t", "--partitions", "1", "--format", "json", stdin="{}\n\n[]\n\n")
    assert tank("produce", "t", "--format", "csv", stdin="").err == "Produced 0 records to t.\n"
    assert tank("consume", "t", "-e").out == "{}\n[]\n"


def test_a_field_twice_in_a_heading_is_refused(tank: Tank) -> None:
    """One of them would be lost."""
    assert tank("produce", "t", "--partitions", "1", "--format", "csv", stdin="a,a\n1,2\n").code == 2


def test_tombstones_and_headers_are_written(tank: Tank) -> None:
    """A line is the key of a null value; -H goes on every record."""
    tank("produce", "t", "--partitions", "1", "--tombstone", "-H", "why=gdpr", stdin="ann\n")
    (row,) = records(tank)
    assert (row["key"], row["value"], row["headers"]) == ("ann", None, {"why": "gdpr"})


@pytest.mark.parametrize(
    ("arguments", "text", "sentence"),
    [
        (["--format", "json"], "{}\n{no\n{}\n", "Line 2 was refused: it is not JSON"),
        (["--format", "json", "--key", "id"], '{"id":1}\n{"no":1}\n', "Line 2 was refused: it has no field 'id'"),
        (["--key-separator", ":"], "a:1\nb\n", "Line 2 was refused: it has no key separator ':'"),
        (["--format", "record"], '{"value":"a"}\n{"key":"a"}\n', "Line 2 was refused: it has neither value nor"),
        (["--format", "csv", "--types", "n=int"], "n\n1\nx\n", "Line 3 was refused: its n 'x' is not of type int"),
        (["--format", "csv"], b"n\n1\n\xff\n", "Line 3 was refused: it is not CSV ('utf-8' codec"),
        (["--format", "csv"], 'n\n1\n"2\n', "Line 3 was refused: it is not CSV (unexpected end of data)"),
        (["--format", "csv"], "n\n1\n1,2\n", "Line 3 was refused: it has 2 fields and the heading 1"),
        (
            ["--format", "json", "--timestamp", "at"],
            '{"at":1}\n{"at":"noon"}\n',
            "Line 2 was refused: its at is not a time",
        ),
    ],
)
def test_a_bad_line_stops_with_its_number(tank: Tank, arguments: list[str], text: str | bytes, sentence: str) -> None:
    """Exit code 1; what came before the line is produced, and the sentence says so."""
    result = tank("produce", "t", "--partitions", "1", *arguments, stdin=text)
    assert result.code == 1
    assert result.err.startswith(f"Error: {sentence}")
    assert "what came before it (1 record) was produced" in result.err
    assert len(records(tank)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "xml"],
        ["--key", "id"],
        ["--format", "json", "--key-separator", ":"],
        ["--format", "record", "--tombstone"],
        ["--format", "json", "--tombstone"],
        ["--types", "a=int"],
        ["--format", "csv", "--types", "a=date"],
        ["--timestamp", "2013-01-01T00:00"],
        ["-H", "novalue"],
    ],
)
def test_options_that_do_not_go_together_are_refused(tank: Tank, arguments: list[str]) -> None:
    """Exit code 2 and one sentence, nothing is produced."""
    result = tank("produce", "t", "--partitions", "1", *arguments, stdin="a\n")
    assert result.code == 2
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1


def test_a_file_is_read(tank: Tank, tmp_path: Path) -> None:
    """FILE instead of stdin; a missing one is said."""
    (tmp_path / "lines.txt").write_text("a\nb\n")
    assert tank("produce", "t", "lines.txt", "--partitions", "1").code == 0
    assert tank("consume", "t", "-e").out == "a\nb\n"
    assert tank("produce", "t", "none.txt").err == (
        "Error: none.txt cannot be read (No such file or directory): check its name.\n"
    )


def test_json_says_how_many_were_produced(tank: Tank) -> None:
    """--json for programs."""
    assert json.loads(tank("produce", "t", "--partitions", "2", "--json", stdin="a\n").out) == {
        "topic": "t",
        "produced": 1,
    }


def test_consume_starts_and_stops_where_it_is_told(tank: Tank) -> None:
    """--from an offset or a time, --partition, --limit."""
    tank("produce", "t", "--partitions", "1", "--timestamp", "2020-01-01T00:00Z", stdin="a\nb\n")
    tank("produce", "t", "--timestamp", "2021-01-01T00:00Z", stdin="c\nd\n")
    assert tank("consume", "t", "-e", "--from", "1").out == "b\nc\nd\n"
    assert tank("consume", "t", "-e", "--from", "2020-06-01T00:00Z").out == "c\nd\n"
    assert tank("consume", "t", "-e", "--from", "-1h").out == ""
    assert tank("consume", "t", "--limit", "3").out == "a\nb\nc\n"
    assert tank("consume", "t", "-e", "--from", "end").out == ""
    assert tank("consume", "t", "-e", "-p", "0", "-n", "0").out == ""


def test_consume_refuses_what_it_cannot_read(tank: Tank) -> None:
    """Offsets out of range, partitions that are not there, unknown formats and starts."""
    tank("produce", "t", "--partitions", "2", stdin="a\n")
    assert (tank("consume", "t", "-e", "-p", "5").code, tank("consume", "t", "-e", "--format", "xml").code) == (1, 2)
    assert tank("consume", "t", "-e", "--format", "{nope}").err.startswith("Error: The template names {nope}")
    assert tank("consume", "t", "-e", "--from", "yesterday").code == 2
    result = tank("consume", "t", "--from", "99", "--limit", "1")
    assert (result.code, "out of range" in result.err) == (1, True)


def test_a_damaged_bundle_is_said_with_its_offsets(tank: Tank, tmp_path: Path) -> None:
    """What lies before it is printed; the sentence names topic, partition, offsets and where to go on."""
    for text in ("a\nb\n", "c\nd\n", "e\n"):
        tank("produce", "t", "--partitions", "1", stdin=text)
    (segment,) = (tmp_path / "tank-data" / "topics").glob("*/0/*.log")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    result = tank("consume", "t", "-e")
    assert (result.code, result.out) == (1, "a\nb\n")
    assert result.err.startswith("Error: t[0] is damaged from offset 2 to 4 (exclusive)")
    assert result.err.count("\n") == 1
    assert tank("consume", "t", "-e", "--from", "4").out == "e\n"


def test_a_table_shows_one_record_a_line(tank: Tank) -> None:
    """Control characters are shown, nulls named."""
    with ts.open_log_sync() as log:
        log.create_topic("t")
        log.produce("t", [b"a\nb", None], keys=["k", None], timestamps=0)
    lines = tank("consume", "t", "-e", "--format", "table").out.splitlines()
    assert lines[0].split() == ["0", "0", "1970-01-01T00:00:00.000Z", "k", r"a\nb"]
    assert lines[1].split() == ["0", "1", "1970-01-01T00:00:00.000Z", "null", "null"]


@NEEDS_NO_FRESH_FIXTURE
@given(
    key=st.none() | st.binary(),
    value=st.none() | st.binary(),
    timestamp=st.integers(-(2**63), 2**63 - 1),
    headers=st.lists(st.tuples(st.text(), st.binary()), max_size=3),
)
def test_a_record_survives_its_text(
    key: bytes | None, value: bytes | None, timestamp: int, headers: list[tuple[str, bytes]]
) -> None:
    """What ``consume --format record`` prints is read back by ``produce --format record`` without loss."""
    row = Row(TopicPartition("t", 0), 7, timestamp, key, value, tuple(headers))
    line = renderer_of("record")(row)
    assert b"\n" not in line
    parsed = parser_of("record", Fields())(line)
    assert (parsed.key, parsed.value, parsed.headers) == (key, value, tuple(headers))
    assert parsed.timestamp == timestamp


def test_a_topic_is_copied_through_a_pipe(tank: Tank) -> None:
    """consume --format record, then produce --format record: the same records."""
    with ts.open_log_sync() as log:
        log.create_topic("t")
        log.produce(
            "t",
            [b"text", b"\xff\x00", None],
            keys=[b"\xfe", "k", None],
            timestamps=[3, 1, 2],
            headers=[[("a", b"1"), ("a", b"2")], [("b", b"\xff")], []],
        )
    out = tank("consume", "t", "-e", "--format", "record").out
    assert tank("produce", "copy", "--format", "record", "--partitions", "1", stdin=out).code == 0
    copied = tank("consume", "copy", "-e", "--format", "record").out
    assert copied.replace('"copy"', '"t"') == out
