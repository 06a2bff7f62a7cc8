"""Where an event loop is running already, as in a notebook's cell, a topology runs all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import tankstreams as ts
from tankstreams.errors import ProcessingError


def lengths(log: str) -> list[bytes | None]:
    """Return what the topology has written."""
    with ts.open_log_sync(log) as opened:
        return [value for _, records in opened.read("lengths") for value in records.values]


def prepared(log: str) -> ts.Topology:
    """Return a topology over a topic that holds two names."""
    with ts.open_log_sync(log) as opened:
        opened.create_topic("names")
        opened.produce("names", ["ann", "robert"])
    topology = ts.Topology("lengths")
    topology.stream("names", value=str).map(len).to("lengths")
    return topology


def test_run_works_inside_a_running_loop(tmp_path: Path) -> None:
    """ts.run in a cell: the loop that is running does not matter."""
    log = f"{tmp_path}/log"
    topology = prepared(log)

    async def cell() -> None:
        ts.run(topology, log=log, create_topics=True, until_end=True)

    asyncio.run(cell())
    assert lengths(log) == [b"3", b"6"]


def test_run_async_runs_in_the_loop(tmp_path: Path) -> None:
    """await ts.run_async in a cell or a program of one's own."""
    log = f"{tmp_path}/log"
    topology = prepared(log)

    async def cell() -> None:
        await ts.run_async(topology, log=log, create_topics=True, until_end=True)

    asyncio.run(cell())
    assert lengths(log) == [b"3", b"6"]


def test_what_fails_in_a_cell_is_raised_there(tmp_path: Path) -> None:
    """The error of a run inside a running loop reaches the cell as it is."""
    log = f"{tmp_path}/log"
    prepared(log)
    topology = ts.Topology("failing")
    topology.stream("names", value=str).map(int).to("numbers")

    async def cell() -> None:
        with pytest.raises(ProcessingError, match=r"names\[0\] at offset 0"):
            ts.run(topology, log=log, create_topics=True, until_end=True)

    asyncio.run(cell())


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TANKSTREAMS_* override the topology's keywords for ts.run too."""
    log = f"{tmp_path}/log"
    prepared(log)
    topology = ts.Topology("skipping")
    topology.stream("names", value=str).filter(str.isdigit).map(int).to("numbers")
    topology.stream("names", value=int).to("none")
    monkeypatch.setenv("TANKSTREAMS_ON_ERROR", "skip")
    ts.run(topology, log=log, create_topics=True, until_end=True)
