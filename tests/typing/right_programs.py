"""Programs that must type-check: ``# R:`` says what the checker must reveal. Not run, only checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypedDict, reveal_type

import msgspec
import pydantic

import tankstreams as ts


class Flight(msgspec.Struct, frozen=True):
    origin: str
    tailnum: str
    scheduled: datetime
    dep_delay: float | None


class Plane(pydantic.BaseModel):
    maker: str


class Joined(TypedDict):
    origin: str
    maker: str | None
    delay: float | None


@dataclass
class PerAirport:
    airport: str
    n: int
    mean: float | None
    worst: float | None


@dataclass
class Paid:
    amount: float


@dataclass
class Sent:
    carrier: str


Event = Paid | Sent

counting = ts.Topology("wordcount")
counts = (
    counting.stream("lines", value=str)
    .flat_map(str.split)
    .group_by(lambda word: word.lower(), name="by-word")
    .count()
)
reveal_type(counts)  # R: Table[str, int]
counts.to("counts")

topology = ts.Topology("flight-delays", on_error=ts.DeadLetter("odd"))
flights = topology.stream("flights", key=str, value=Flight, timestamp=lambda flight: flight.scheduled)
planes = topology.table("planes", key=str, value=Plane)


def joined(flight: Flight, plane: Plane | None) -> Joined:
    return {"origin": flight.origin, "maker": plane.maker if plane else None, "delay": flight.dep_delay}


(
    flights.filter(lambda flight: flight.dep_delay is not None)
    .key_by(lambda flight: flight.tailnum, name="by-plane")
    .left_join(planes, joined)
    .group_by(lambda row: row["origin"], name="per-airport")
    .aggregate(
        PerAirport,
        airport=ts.key(),
        n=ts.count(),
        mean=ts.mean(lambda row: row["delay"]),
        worst=ts.max(lambda row: row["delay"] or 0.0),
    )
    .to("delays-per-airport")
)
group = flights.group_by(lambda flight: flight.origin)
reveal_type(group.aggregate(n=ts.count(), m=ts.mean(lambda f: f.dep_delay)))  # R: Table[str, dict[str, Any]]
reveal_type(group.aggregate(ts.fold(lambda: 0, lambda acc, f: acc + len(f.origin))))  # R: Table[str, int]
reveal_type(group.reduce(lambda a, b: a if a.tailnum > b.tailnum else b))  # R: Table[str, right_programs.Flight]
reveal_type(group.sum(lambda flight: flight.dep_delay or 0.0))  # R: Table[str, float]
reveal_type(group.aggregate(ts.top(3, lambda f: f.tailnum, by=lambda f: f.dep_delay)))  # R: Table[str, list[str]]
reveal_type(flights.map(lambda flight: flight if flight.origin else None).to_table())  # R: Table[str, right_programs.Flight]
reveal_type(topology.stream("raw"))  # R: Stream[bytes | None, bytes]
reveal_type(topology.stream("raw", value=dict[str, Any]))  # R: Stream[bytes | None, dict[str, Any]]
reveal_type(topology.stream("raw", key=str | None, value=Annotated[Flight, ts.msgpack]))  # R: Stream[str | None, right_programs.Flight]
reveal_type(topology.stream(["a", "b"]))  # R: Stream[bytes | None, bytes]

events = topology.stream("events", key=str, value=Event)
reveal_type(events)  # R: Stream[str, right_programs.Paid | right_programs.Sent]
paid = events.of_type(Paid)
reveal_type(paid)  # R: Stream[str, right_programs.Paid]
paid.to(lambda one: "big" if one.amount > 100 else "small", topics=["big", "small"])
parts = events.split(paid=lambda event: isinstance(event, Paid), sent=lambda event: isinstance(event, Sent))
parts["paid"].merge(parts["rest"]).to("x")
big, small = paid.branch(lambda one: one.amount > 100)
reveal_type(big.merge(topology.stream("other", key=int, value=Sent)))  # R: Stream[str | int, right_programs.Paid | right_programs.Sent]
reveal_type(events.filter(lambda key, event: key.startswith("a"), with_key=True))  # R: Stream[str, right_programs.Paid | right_programs.Sent]
reveal_type(events.map_record(lambda r: r.replace(key=len(r.key), value=r.value)))  # R: Stream[int, right_programs.Paid | right_programs.Sent]
reveal_type(counts.to_stream())  # R: Stream[str, int | None]

CLICKS = ts.Topic("clicks", key=str, value=Paid)
reveal_type(topology.stream(CLICKS))  # R: Stream[str, right_programs.Paid]
topology.stream(CLICKS).to(ts.Topic("copies", key=str, value=Paid))


async def with_a_log() -> None:
    async with ts.open_log("./tank-data") as log:
        await log.produce("topic", ["a", b"b", None], keys=["k", "k", None])
        await log.produce(CLICKS, [Paid(1.0)], keys=["k"])


if __name__ == "__main__":
    ts.run(topology, until_end=True)
