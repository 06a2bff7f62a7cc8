"""Delays of departures from New York in 2013: counted and averaged per airport, airline and manufacturer.

Departures are joined with their plane (by tail number) and their airline (by carrier). `topologies.flights_data`
loads the input, `topologies.flights_report` prints the results, ``sh scripts/demo`` does it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import tankstreams as ts

UNKNOWN_MAKER = "(unknown)"
"""The manufacturer of a plane that the registry of planes does not hold: about one departure in six."""


@dataclass
class Flight:
    """A scheduled flight; ``dep_delay`` (minutes, negative when early) is None when it never departed."""

    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    scheduled: datetime
    dep_delay: int | None
    arr_delay: int | None
    air_time: int | None
    distance: int


@dataclass
class Plane:
    """A plane in the registry; ``year`` is when it was made."""

    tailnum: str
    year: int | None
    manufacturer: str
    model: str
    seats: int


@dataclass
class Airline:
    """An airline by its two-character carrier code."""

    carrier: str
    name: str


@dataclass
class Departure:
    """A flight that departed, with what is known of its plane and airline; ``minutes`` is its delay."""

    origin: str
    carrier: str
    airline: str
    manufacturer: str
    minutes: int


@dataclass
class Delays:
    """How late the departures of one airport, airline or manufacturer were; minutes, early ones negative."""

    name: str
    departures: int
    minutes: int
    mean: float | None
    worst: int


FLIGHTS = ts.Topic("flights", key=str, value=Flight)
PLANES = ts.Topic("planes", key=str, value=Plane)
AIRLINES = ts.Topic("airlines", key=str, value=Airline)
PER_AIRPORT = ts.Topic("delays-per-airport", key=str, value=Delays)
PER_AIRLINE = ts.Topic("delays-per-airline", key=str, value=Delays)
PER_MANUFACTURER = ts.Topic("delays-per-manufacturer", key=str, value=Delays)


def with_plane(flight: Flight, plane: Plane | None) -> Departure:
    """Return the departure; its airline is not known yet."""
    maker = plane.manufacturer if plane else UNKNOWN_MAKER
    return Departure(flight.origin, flight.carrier, "", maker, flight.dep_delay or 0)


def with_airline(departure: Departure, airline: Airline) -> Departure:
    """Return the departure with its airline's name."""
    return Departure(departure.origin, departure.carrier, airline.name, departure.manufacturer, departure.minutes)


topology = ts.Topology("flight-delays", strict_names=True)

departures = (
    topology.stream(FLIGHTS)
    .filter(lambda flight: flight.dep_delay is not None)
    .key_by(lambda flight: flight.tailnum or "", key=str, name="by-plane")
    .left_join(topology.table(PLANES), with_plane, name="with-plane")
    .key_by(lambda departure: departure.carrier, key=str, name="by-carrier")
    .join(topology.table(AIRLINES), with_airline, name="with-airline")
)


def delays(of: ts.Grouped[str, Departure], to: ts.Topic[str, Delays]) -> None:
    """Count and average the delays of a group, and write every change."""
    of.aggregate(
        Delays,
        name=ts.key(),
        departures=ts.count(),
        minutes=ts.sum(lambda departure: departure.minutes),
        mean=ts.mean(lambda departure: departure.minutes),
        worst=ts.max(lambda departure: departure.minutes),
    ).to(to)


delays(departures.group_by(lambda d: d.origin, key=str, name="per-airport"), PER_AIRPORT)
delays(departures.group_by(lambda d: d.airline, key=str, name="per-airline"), PER_AIRLINE)
delays(departures.group_by(lambda d: d.manufacturer, key=str, name="per-manufacturer"), PER_MANUFACTURER)

if __name__ == "__main__":
    ts.run(topology)
