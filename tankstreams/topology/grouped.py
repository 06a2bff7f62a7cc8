"""A group: a stream by key, ready to be aggregated into a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, overload

import msgspec
from typing_extensions import TypeForm, TypeVar

from tankstreams.errors import TopologyError
from tankstreams.topology import aggregations, nodes
from tankstreams.topology.agg import Agg
from tankstreams.topology.graph import Graph, Settled, caller
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.returns import MISSING, field_types, item_type
from tankstreams.topology.table import Table

__all__ = ["Grouped"]

Kc = TypeVar("Kc", covariant=True)
Vc = TypeVar("Vc", covariant=True)
K = TypeVar("K")
V = TypeVar("V")
U = TypeVar("U")
R = TypeVar("R")
N = TypeVar("N", int, float)


class Grouped(Generic[Kc, Vc]):
    """Records by key. Each aggregation makes a table with a store of its own, all from one repartition."""

    def __init__(self, graph: Graph, node: nodes.Node, settled: Settled) -> None:
        self.graph = graph
        self.node = node
        self._settled = settled

    def __repr__(self) -> str:
        return f"Grouped({self._settled.name!r})"

    def count(self) -> Table[Kc, int]:
        """Count the records of each key."""
        return self._table("count", aggregations.count(), int)

    def sum(self, fn: Callable[[Vc], N | None]) -> Table[Kc, N]:
        """Add up what ``fn`` gives; Nones are skipped."""
        return self._one("sum", aggregations.sum(fn))

    def mean(self, fn: Callable[[Vc], float | None]) -> Table[Kc, float | None]:
        """Average what ``fn`` gives; Nones are skipped, and a key with nothing else has no value."""
        return self._one("mean", aggregations.mean(fn))

    def min(self, fn: Callable[[Vc], U]) -> Table[Kc, U]:
        """Keep the smallest of what ``fn`` gives; Nones are skipped."""
        return self._one("min", aggregations.min(fn))

    def max(self, fn: Callable[[Vc], U]) -> Table[Kc, U]:
        """Keep the largest of what ``fn`` gives; Nones are skipped."""
        return self._one("max", aggregations.max(fn))

    def reduce(self: Grouped[K, V], fn: Callable[[V, V], V]) -> Table[K, V]:
        """Combine the records of each key two by two: ``fn(so_far, value)``; the first value starts."""
        self.graph.check_function(fn, "reduce", 2)
        return self._table("reduce", Agg("reduce", fn, returns=self.node.value), self.node.value)

    @overload
    def aggregate(self, agg: Agg[Vc, R], /, *, returns: TypeForm[R] = ...) -> Table[Kc, R]: ...
    @overload
    def aggregate(self, into: type[R], /, **fields: Agg[Vc, Any]) -> Table[Kc, R]: ...
    @overload
    def aggregate(self, /, **fields: Agg[Vc, Any]) -> Table[Kc, dict[str, Any]]: ...
    def aggregate(self, into: Any = None, /, **fields: Any) -> Table[Any, Any]:
        """Aggregate in several ways at once.

        One aggregation gives its result as the value; a class and keywords give instances of the class; keywords alone
        give a dict. Field names of a class are checked here.
        """
        if isinstance(into, Agg):
            returns = fields.pop("returns", MISSING)
            agg = into if returns is MISSING else dataclasses.replace(into, returns=returns)
            return self._one("aggregate", agg, more=tuple(fields))
        where = str(caller())
        for name, agg in fields.items():
            if not isinstance(agg, Agg):
                raise TopologyError(
                    f"aggregate takes aggregations such as {name}=ts.count(), not {name}={agg!r}.", where=where
                )
        if not fields:
            raise TopologyError("aggregate needs at least one aggregation, such as n=ts.count().", where=where)
        if into is None:
            return self._add("aggregate", tuple(fields.items()), "dict", dict[str, Any])
        if not isinstance(into, type):
            raise TopologyError(f"aggregate takes an aggregation or a class first, not {into!r}.", where=where)
        _check_fields(into, set(fields), where)
        types = field_types(into)
        typed = tuple((name, _with_type(agg, types.get(name, UNKNOWN))) for name, agg in fields.items())
        return self._add("aggregate", typed, into, into)

    def _one(self, operation: str, agg: Agg[Any, Any], more: tuple[str, ...] = ()) -> Table[Any, Any]:
        if more:
            raise TopologyError(
                f"aggregate takes one aggregation alone or named ones, not both ({', '.join(more)}).",
                where=str(caller()),
            )
        returns = agg.returns
        if agg.kind == "key":
            returns = self.node.key
        return self._table(operation, agg, returns)

    def _table(self, operation: str, agg: Agg[Any, Any], returns: Any) -> Table[Any, Any]:
        return self._add(operation, (("value", agg),), "one", returns)

    def _add(
        self, operation: str, fields: tuple[tuple[str, Agg[Any, Any]], ...], into: Any, value: Any
    ) -> Table[Any, Any]:
        for _, agg in fields:
            if agg.fn is not None and agg.kind not in ("reduce", "fold"):
                self.graph.check_function(agg.fn, agg.kind, 1)
            if agg.kind == "fold":
                self.graph.check_function(agg.fn, "fold's add", 2)
                self.graph.check_function(agg.init, "fold's init", 0)
            if agg.by is not None:
                self.graph.check_function(agg.by, "top's by", 1)
        node = self.graph.add(
            nodes.Aggregate,
            operation,
            (self.node,),
            name=None,
            settled=self._settled,
            key=self.node.key,
            value=value,
            fields=fields,
            into=into,
        )
        return Table(self.graph, node)


def _with_type(agg: Agg[Any, Any], declared: Any) -> Agg[Any, Any]:
    """Give an aggregation whose type nobody said the type of the field it goes into."""
    if agg.returns is not UNKNOWN or declared is UNKNOWN or agg.kind == "key":
        return agg
    if agg.kind in ("collect", "top") and item_type(declared) is UNKNOWN:
        return agg
    return dataclasses.replace(agg, returns=declared)


def _check_fields(into: type, given: set[str], where: str) -> None:
    """Raise when the class does not take just these keywords."""
    if dataclasses.is_dataclass(into):
        described = dataclasses.fields(into)
        missing = dataclasses.MISSING
        every = {field.name for field in described if field.init}
        required = {f.name for f in described if f.init and f.default is missing and f.default_factory is missing}
    elif issubclass(into, msgspec.Struct):
        fields = msgspec.structs.fields(into)
        every, required = {field.name for field in fields}, {field.name for field in fields if field.required}
    elif hasattr(into, "model_fields"):
        every = set(into.model_fields)
        required = {name for name, field in into.model_fields.items() if field.is_required()}
    elif hasattr(into, "__required_keys__"):
        every, required = set(into.__annotations__), set(into.__required_keys__)
    else:
        return
    if given - every:
        raise TopologyError(
            f"{into.__name__} has no field {', '.join(sorted(given - every))}: its fields are"
            f" {', '.join(sorted(every))}.",
            where=where,
        )
    if required - given:
        raise TopologyError(
            f"aggregate leaves out {', '.join(sorted(required - given))}, which {into.__name__} needs.", where=where
        )
