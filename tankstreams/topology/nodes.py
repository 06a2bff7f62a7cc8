"""The nodes of a topology: frozen data, no behaviour. The DSL makes them, the runtime runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

__all__ = [
    "UNKNOWN",
    "Aggregate",
    "DeadLetter",
    "Filter",
    "FlatMap",
    "Foreach",
    "KeyBy",
    "Map",
    "MapRecord",
    "Merge",
    "Node",
    "OnError",
    "Peek",
    "Repartition",
    "Sink",
    "Source",
    "Split",
    "SplitOutput",
    "Stateful",
    "StreamTableJoin",
    "TableSource",
    "ToStream",
    "ToTable",
    "Unknown",
    "Where",
]


class Unknown:
    """The type of a key or value that nobody declared; there is one instance, `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Where:
    """A line of the user's code."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Records that fail go to ``topic``, with their original bytes, headers, the node, the error and the traceback."""

    topic: str


OnError: TypeAlias = Literal["fail", "skip"] | DeadLetter
"""What happens to a record that a node cannot process."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """A node of the DAG.

    ``id`` counts declarations from 0 and orders everything that needs an order. ``name`` is unique in the topology;
    ``named`` says that the user gave it. ``parents`` are ids. ``key`` and ``value`` are the types (a type form, or
    `UNKNOWN`) of what leaves the node.
    """

    id: int
    name: str
    named: bool
    parents: tuple[int, ...]
    where: Where
    on_error: OnError
    key: Any
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source(Node):
    """Reads ``topics`` as a stream."""

    topics: tuple[str, ...]
    timestamp: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stateful(Node):
    """A node that owns a store, and with it the topic ``<topology>-<name>-changelog``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableSource(Stateful):
    """Reads ``topic`` as a changelog: a null value deletes its key."""

    topic: str
    timestamp: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filter(Node):
    """Keeps the records for which ``fn`` is true."""

    fn: Callable[..., object]
    with_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Map(Node):
    """A new value for each record."""

    fn: Callable[..., Any]
    with_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlatMap(Node):
    """Any number of values for each record."""

    fn: Callable[..., Any]
    with_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peek(Node):
    """Calls ``fn`` and passes the record on."""

    fn: Callable[..., object]
    with_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foreach(Node):
    """Calls ``fn``; nothing leaves."""

    fn: Callable[..., object]
    with_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyBy(Node):
    """A new key for each record. ``required`` (from group_by): a None key is an error at this node."""

    fn: Callable[..., Any]
    with_key: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapRecord(Node):
    """A new record for each record: key, value, timestamp and headers may change."""

    fn: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split(Node):
    """Sends each record to the first branch whose predicate is true, else to the rest.

    Its children are `SplitOutput` nodes: ``index`` i for ``predicates[i]``, ``len(predicates)`` for the rest.
    """

    predicates: tuple[Callable[[Any], object], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitOutput(Node):
    """One branch of a `Split` (its only parent)."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merge(Node):
    """The records of all parents."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repartition(Node):
    """Writes to ``<topology>-<name>-repartition`` and reads it back; here a topology is cut.

    ``partitions``: asked for by the user, else None. ``required``: a None key is an error (a group or a table follows).
    """

    partitions: int | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregate(Stateful):
    """Aggregates by key into a table.

    ``fields`` are (name, Agg) pairs. ``into`` says how the result is made: ``"one"`` (the only Agg's result),
    ``"dict"``, or a class called with the fields as keywords. A reduce is ``into="one"`` with an Agg of kind "reduce".
    A None key is an error at this node.
    """

    fields: tuple[tuple[str, Any], ...]
    into: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToTable(Stateful):
    """Upserts a stream into a table; a None value deletes. A None key is an error at this node."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToStream(Node):
    """A table's changes as a stream (its parent is a table node); None = deleted."""

    emit: str = "updates"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamTableJoin(Node):
    """Looks up each record's key in a table. ``parents`` is (stream, table); only the stream's records trigger.

    ``left``: a record without a match gives ``fn(value, None)`` instead of nothing.
    """

    fn: Callable[[Any, Any], Any]
    left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sink(Node):
    """Writes to a topic. ``topic`` is its name, or a function of the value that picks one of ``topics``.

    ``key`` and ``value`` are the types it is written as (UNKNOWN: by run-time type).
    """

    topic: str | Callable[[Any], str]
    topics: tuple[str, ...] = ()
