"""kill -9 during the flights run, ten times at random moments: nothing is lost, nothing is there twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

import tankstreams as ts
from tankstreams.topology.topic import Topic
from topologies.flights import PER_AIRLINE, PER_AIRPORT, PER_MANUFACTURER, Delays, topology
from topologies.flights_data import load, read_flights
from topologies.flights_report import latest

FLIGHTS = 120_000
KILLS = 10
RESULTS: Sequence[Topic[str, Delays]] = (PER_AIRPORT, PER_AIRLINE, PER_MANUFACTURER)
RUN = [
    sys.executable,
    *("-m", "tankstreams", "run", "topologies.flights", "--until-end", "--create-topics"),
    *("--set", "commit_interval_ms=20"),
]


def start(directory: str) -> subprocess.Popen[bytes]:
    """Start the real command, in a process of its own."""
    root = Path(__file__).parents[2]
    return subprocess.Popen([*RUN, "--log", directory], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(directory: str) -> float:
    """Run to the end; return how long it took, in seconds."""
    begin = time.monotonic()
    process = start(directory)
    _, error = process.communicate()
    assert process.returncode == 0, error.decode()
    return time.monotonic() - begin


def killed(directory: str, seconds: float) -> bool:
    """Let a run go on for some time and kill it; False when it came to its end before."""
    process = start(directory)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    _, error = process.communicate()
    assert process.returncode == 0, error.decode()
    return False


def loaded(directory: str) -> str:
    """Make a log with flights in it."""
    with ts.open_log_sync(directory, durability="os") as log:
        load(log, read_flights()[:FLIGHTS])
    return directory


def progress(directory: str) -> int:
    """Return how many records of all inputs were read and committed."""
    with ts.open_log_sync(directory) as log:
        return sum(sum(state.positions.values()) for state in log.task_states(topology.name).values())


def results(directory: str) -> dict[str, dict[str, Delays]]:
    """Return the final tables; every update must be there exactly once: departures count 1, 2, 3, ..."""
    tables: dict[str, dict[str, Delays]] = {}
    with ts.open_log_sync(directory) as log:
        for topic in RESULTS:
            counts: dict[bytes | None, list[int]] = defaultdict(list)
            for _, records in log.read(topic):
                for key, value in zip(records.keys, topic.value_codec.decode_column(records.values), strict=True):
                    counts[key].append(value.departures)
            assert all(seen == list(range(1, len(seen) + 1)) for seen in counts.values())
            tables[topic.name] = latest(log, topic)
    return tables


@pytest.mark.slow
def test_kill_9_ten_times_changes_no_result(tmp_path: Path) -> None:
    """Ten runs killed at random moments, one to the end: outputs and final tables are those of an undisturbed run."""
    undisturbed = loaded(f"{tmp_path}/undisturbed")
    whole = finish(undisturbed)
    random = Random(20130101)
    directory = loaded(f"{tmp_path}/killed")
    reached = [progress(directory)]
    kills = 0
    while kills < KILLS and killed(directory, whole * random.uniform(0.1, 0.23)):
        kills += 1
        reached.append(progress(directory))
    assert kills == KILLS, "the run came to its end before it was killed often enough: give it more flights"
    finish(directory)
    assert reached == sorted(reached)
    assert 0 < reached[-1] < progress(directory), reached
    assert results(directory) == results(undisturbed)
