"""The flights of 2013: what the topology finds equals, exactly, what polars computes from the same files."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

import tankstreams as ts
from topologies.flights import (
    AIRLINES,
    FLIGHTS,
    PER_AIRLINE,
    PER_AIRPORT,
    PER_MANUFACTURER,
    PLANES,
    UNKNOWN_MAKER,
    Delays,
    Flight,
    topology,
)
from topologies.flights_data import data_directory, load, read_flights
from topologies.flights_report import latest

FLIGHTS_IN_ALL = 336_776
SOME = 3_000
"""Flights that most tests take: three and a half days."""


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    """All flights, in order of scheduled departure."""
    return read_flights()


def oracle(count: int) -> pl.DataFrame:
    """Return the first ``count`` flights by scheduled departure that departed, joined with plane and airline."""
    directory = data_directory()
    with zipfile.ZipFile(directory / "flights.csv.zip") as archive:
        flights = pl.read_csv(archive.read("flights.csv"), null_values="NA")
    planes = pl.read_csv(directory / "planes.csv", null_values="NA").select("tailnum", "manufacturer")
    airlines = pl.read_csv(directory / "airlines.csv").rename({"name": "airline"})
    return (
        flights.sort("time_hour", "minute", maintain_order=True)
        .head(count)
        .filter(pl.col("dep_delay").is_not_null())
        .join(planes, on="tailnum", how="left")
        .join(airlines, on="carrier", how="inner")
        .with_columns(pl.col("manufacturer").fill_null(UNKNOWN_MAKER))
    )


def expected(departures: pl.DataFrame, column: str) -> dict[str, Delays]:
    """Return polars' delays per value of a column.

    Delays are whole minutes: their sum is exact in integers and in floats, so the mean is one division of exact
    numbers, and both sides round it alike. Nothing here is compared with a tolerance.
    """
    minutes = pl.col("dep_delay")
    grouped = departures.group_by(column).agg(
        pl.len().alias("n"), minutes.sum().alias("sum"), minutes.mean().alias("mean"), minutes.max().alias("worst")
    )
    return {name: Delays(name, n, total, mean, worst) for name, n, total, mean, worst in grouped.iter_rows()}


def updates(log: ts.SyncLog, topic: ts.Topic[str, Delays]) -> dict[str, list[Delays]]:
    """Return every update of every key, in the order of the log."""
    found: dict[str, list[Delays]] = defaultdict(list)
    for _, records in log.read(topic):
        for key, value in zip(records.keys, topic.value_codec.decode_column(records.values), strict=True):
            found[(key or b"").decode()].append(value)
    return found


def check_against_polars(directory: str, flights: Sequence[Flight]) -> None:
    """Load flights, run the topology to the end, compare every row of every result, and every update."""
    with ts.open_log_sync(directory, durability="os") as log:
        load(log, flights)
    ts.run(topology, log=directory, until_end=True, create_topics=True)
    departures = oracle(len(flights))
    with ts.open_log_sync(directory) as log:
        for topic, column in ((PER_AIRPORT, "origin"), (PER_AIRLINE, "airline"), (PER_MANUFACTURER, "manufacturer")):
            results = expected(departures, column)
            assert latest(log, topic) == results
            for name, changes in updates(log, topic).items():
                assert [change.departures for change in changes] == list(range(1, results[name].departures + 1))
                assert all(before.worst <= after.worst for before, after in pairwise(changes))


def test_a_month_equals_polars(tmp_path: Path, flights: Sequence[Flight]) -> None:
    """The flights of January: every row of the three results, and each update exactly once."""
    january = [flight for flight in flights if flight.scheduled < datetime.fromisoformat("2013-02-01T00:00-05:00")]
    assert len(january) == 27_004
    check_against_polars(f"{tmp_path}/log", january)


@pytest.mark.slow
def test_the_year_equals_polars(tmp_path: Path, flights: Sequence[Flight]) -> None:
    """All 336,776 flights: every row of the three results, and each update exactly once."""
    assert len(flights) == FLIGHTS_IN_ALL
    check_against_polars(f"{tmp_path}/log", flights)


def test_flights_are_stamped_with_their_scheduled_departure(tmp_path: Path, flights: Sequence[Flight]) -> None:
    """In event-time order a partition, keyed by carrier and number; planes and airlines come before the first."""
    some = flights[:SOME]
    with ts.open_log_sync(f"{tmp_path}/log", durability="os") as log:
        assert load(log, some) == SOME
        first = int(some[0].scheduled.timestamp() * 1000)
        for topic in (PLANES, AIRLINES):
            assert all(stamp < first for _, records in log.read(topic) for stamp in records.timestamps)
        for _, records in log.read(FLIGHTS):
            assert list(records.timestamps) == sorted(records.timestamps)
            for key, stamp, value in zip(records.keys, records.timestamps, records.values, strict=True):
                flight = FLIGHTS.value_codec.decode(value)
                assert key == f"{flight.carrier}{flight.flight}".encode()
                assert stamp == int(flight.scheduled.timestamp() * 1000)


def test_the_schedule_is_new_york_time(flights: Sequence[Flight]) -> None:
    """The UTC hour of the files plus the minute is the local schedule, with both changes of New York's clock."""
    with zipfile.ZipFile(data_directory() / "flights.csv.zip") as archive:
        rows = pl.read_csv(archive.read("flights.csv"), null_values="NA")
    local = pl.datetime("year", "month", "day", "hour", "minute", time_zone="America/New_York", ambiguous="earliest")
    stamps = rows.select(local.dt.epoch("s")).to_series().sort().to_list()
    assert [int(flight.scheduled.timestamp()) for flight in flights] == stamps


def test_an_interrupted_load_goes_on(tmp_path: Path, flights: Sequence[Flight]) -> None:
    """What is there is not written again, what is missing is."""
    with ts.open_log_sync(f"{tmp_path}/log", durability="os") as log:
        assert load(log, flights[:1000]) == 1000
        assert load(log, flights[:SOME]) == SOME - 1000
        assert load(log, flights[:SOME]) == 0
        assert sum(len(records) for _, records in log.read(FLIGHTS)) == SOME
        assert sum(len(records) for _, records in log.read(PLANES)) == 3_322


def test_all_state_is_named() -> None:
    """Every store and repartition of the topology has a name of its own."""
    assert topology.settings.strict_names
    topology.check()
