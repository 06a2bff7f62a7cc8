"""The bundle byte by byte: what was written once is read for ever, and written the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tankstreams.log import bundle
from tankstreams.log.records import Records

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "bundle"
PLACE: dict[str, int] = {
    "topic_id": 7,
    "partition": 3,
    "base_offset": 1_000,
    "epoch": 2,
    "append_ms": 1_700_000_000_500,
}
T = 1_700_000_000_000

CASES: dict[str, tuple[Records, dict[str, Any]]] = {
    # The worked example of docs/reference/bundle.md.
    "example": (
        Records(range(1000, 1003), [T, T + 4, T + 4], [b"a", None, b"b"], [b"one", b"two", None]),
        {"producer_id": 9, "sequence": 1},
    ),
    "all-the-same": (
        Records(range(1000, 1004), [T] * 4, [None] * 4, [b"v"] * 4, [(("h", b"x"), ("h", b""))] * 4),
        {},
    ),
    "times-back-and-far": (
        Records(range(1000, 1004), [5, -5, 1 << 40, 0], [b""] * 4, [None] * 4),
        {},
    ),
    "headers": (
        Records(range(1000, 1002), [T] * 2, [b"k"] * 2, [b"1", b"2"], [(), (("é", b"\xff"),)]),
        {},
    ),
    "sparse": (
        Records([1000, 1007, 9000], [T, T + 1, T + 9], [b"a", b"b", b"c"], [b"1", b"2", b"3"]),
        {"offset_deltas": [0, 7, 8000]},
    ),
    "compressed": (
        Records(
            range(1000, 1100),
            [T + 1000 * number for number in range(100)],
            [b"user-%d" % (number % 7) for number in range(100)],
            [b'{"number":%d,"text":"the same in all"}' % number for number in range(100)],
        ),
        {"compress": True},
    ),
}


def written(name: str) -> bytes:
    """Return the stamped bundle of a case."""
    records, options = CASES[name]
    data = bundle.encode(
        records.keys, records.values, records.timestamps, records.headers, **({"compress": False} | options)
    )
    head, payload = bundle.stamp(data, **PLACE)
    return head + bytes(payload)


@pytest.mark.parametrize("name", CASES)
def test_a_golden_bundle_is_read(name: str) -> None:
    """All its records, and its header's checksum holds."""
    data = (GOLDEN / f"{name}.bin").read_bytes()
    header = bundle.verify_header(data, 0, PLACE["topic_id"], PLACE["partition"])
    assert header.total_length == len(data)
    assert (header.base_offset, header.epoch, header.append_ms) == (1_000, 2, 1_700_000_000_500)
    assert bundle.decode(data) == CASES[name][0]


@pytest.mark.parametrize("name", CASES)
def test_a_golden_bundle_is_written(name: str) -> None:
    """The same bytes; a compressed one only the same before lz4, whose releases differ."""
    golden, data = (GOLDEN / f"{name}.bin").read_bytes(), written(name)
    if CASES[name][1].get("compress"):
        assert bundle.decode(data) == bundle.decode(golden)
        was, now = bundle.read_header(golden), bundle.read_header(data)
        assert now.flags == was.flags == bundle.CODEC_LZ4
        assert now.unpacked_length == was.unpacked_length
    else:
        assert data == golden


def test_the_worked_example_of_the_reference_is_the_golden_bundle() -> None:
    """The page's bytes, in its order, are those of the file."""
    page = (ROOT / "docs" / "reference" / "bundle.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    shown = "".join(line.partition("|")[0] for line in block.splitlines())
    assert bytes.fromhex(shown) == (GOLDEN / "example.bin").read_bytes()
