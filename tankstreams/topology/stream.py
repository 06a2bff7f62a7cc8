"""A stream: records, and what can be done with them. Every method adds one frozen node and returns a new stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, overload

from typing_extensions import TypeForm, TypeVar

from tankstreams.errors import ConfigError, TopologyError
from tankstreams.log.topic import check_topic_name
from tankstreams.topology import nodes
from tankstreams.topology.graph import Graph, Settled, caller
from tankstreams.topology.grouped import Grouped
from tankstreams.topology.nodes import UNKNOWN, OnError
from tankstreams.topology.record import Record
from tankstreams.topology.returns import MISSING, item_type, return_type, said, united
from tankstreams.topology.serde import public_codec
from tankstreams.topology.table import Table
from tankstreams.topology.topic import Topic
from tankstreams.topology.typeforms import classes_of, optional, show

__all__ = ["Stream"]

Kc = TypeVar("Kc", covariant=True)
Vc = TypeVar("Vc", covariant=True)
K = TypeVar("K")
V = TypeVar("V")
U = TypeVar("U")
W = TypeVar("W")
K2 = TypeVar("K2")
V2 = TypeVar("V2")


class Stream(Generic[Kc, Vc]):
    """Records with keys of type K and values of type V.

    Functions take the value; ``with_key=True`` hands them key and value as two arguments. ``name=`` names the node and
    what it owns. ``returns=`` is the run-time type where a lambda hides it; annotated functions need none.
    ``on_error=`` overrides the topology's for this node.
    """

    def __init__(self, graph: Graph, node: nodes.Node) -> None:
        self.graph = graph
        self.node = node

    def __repr__(self) -> str:
        return f"Stream({self.node.name!r})"

    def of_type(self, type: type[U], *, name: str | None = None) -> Stream[Kc, U]:
        """Keep the values that are instances of a class: narrows a union."""
        kind = type
        return self._call(nodes.Filter, "of_type", lambda value: isinstance(value, kind), 1, name, value=kind)

    @overload
    def filter(
        self, fn: Callable[[Vc], object], *, name: str | None = None, on_error: OnError | None = None
    ) -> Stream[Kc, Vc]: ...
    @overload
    def filter(
        self,
        fn: Callable[[Kc, Vc], object],
        *,
        with_key: bool,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Kc, Vc]: ...
    def filter(
        self,
        fn: Callable[..., object],
        *,
        with_key: bool = False,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Any, Any]:
        """Keep the records for which ``fn`` is true."""
        return self._call(nodes.Filter, "filter", fn, 1 + with_key, name, on_error, with_key=with_key)

    @overload
    def map(
        self,
        fn: Callable[[Vc], U],
        *,
        returns: TypeForm[U] = ...,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Kc, U]: ...
    @overload
    def map(
        self,
        fn: Callable[[Kc, Vc], U],
        *,
        with_key: bool,
        returns: TypeForm[U] = ...,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Kc, U]: ...
    def map(
        self,
        fn: Callable[..., Any],
        *,
        with_key: bool = False,
        returns: Any = MISSING,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Any, Any]:
        """Replace each value by what ``fn`` gives; keys stay, so nothing is repartitioned."""
        value = return_type(fn, returns)
        return self._call(nodes.Map, "map", fn, 1 + with_key, name, on_error, with_key=with_key, value=value)

    @overload
    def flat_map(
        self,
        fn: Callable[[Vc], Iterable[U]],
        *,
        returns: TypeForm[U] = ...,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Kc, U]: ...
    @overload
    def flat_map(
        self,
        fn: Callable[[Kc, Vc], Iterable[U]],
        *,
        with_key: bool,
        returns: TypeForm[U] = ...,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Kc, U]: ...
    def flat_map(
        self,
        fn: Callable[..., Iterable[Any]],
        *,
        with_key: bool = False,
        returns: Any = MISSING,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Any, Any]:
        """Replace each record by as many as ``fn`` gives values; ``returns=`` is the type of one of them."""
        value = item_type(return_type(fn)) if returns is MISSING else returns
        return self._call(nodes.FlatMap, "flat_map", fn, 1 + with_key, name, on_error, with_key=with_key, value=value)

    @overload
    def peek(
        self, fn: Callable[[Vc], object], *, name: str | None = None, on_error: OnError | None = None
    ) -> Stream[Kc, Vc]: ...
    @overload
    def peek(
        self,
        fn: Callable[[Kc, Vc], object],
        *,
        with_key: bool,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Kc, Vc]: ...
    def peek(
        self,
        fn: Callable[..., object],
        *,
        with_key: bool = False,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Any, Any]:
        """Call ``fn`` and pass the record on. A step that is run again (after a failure) calls it again."""
        return self._call(nodes.Peek, "peek", fn, 1 + with_key, name, on_error, with_key=with_key)

    @overload
    def foreach(
        self, fn: Callable[[Vc], object], *, name: str | None = None, on_error: OnError | None = None
    ) -> None: ...
    @overload
    def foreach(
        self,
        fn: Callable[[Kc, Vc], object],
        *,
        with_key: bool,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> None: ...
    def foreach(
        self,
        fn: Callable[..., object],
        *,
        with_key: bool = False,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> None:
        """Call ``fn`` for each record; the chain ends here."""
        self._call(nodes.Foreach, "foreach", fn, 1 + with_key, name, on_error, with_key=with_key)

    @overload
    def key_by(
        self,
        fn: Callable[[Vc], K2],
        *,
        key: TypeForm[K2] = ...,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[K2, Vc]: ...
    @overload
    def key_by(
        self,
        fn: Callable[[Kc, Vc], K2],
        *,
        with_key: bool,
        key: TypeForm[K2] = ...,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[K2, Vc]: ...
    def key_by(
        self,
        fn: Callable[..., Any],
        *,
        with_key: bool = False,
        key: Any = MISSING,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Any, Any]:
        """Give each record a new key. What needs equal keys in one place (a group, a join, a table) repartitions."""
        new = return_type(fn, key)
        return self._call(nodes.KeyBy, "key_by", fn, 1 + with_key, name, on_error, with_key=with_key, key=new)

    @overload
    def group_by(
        self,
        fn: Callable[[Vc], K2],
        *,
        key: TypeForm[K2] = ...,
        partitions: int | None = None,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Grouped[K2, Vc]: ...
    @overload
    def group_by(
        self,
        fn: Callable[[Kc, Vc], K2],
        *,
        with_key: bool,
        key: TypeForm[K2] = ...,
        partitions: int | None = None,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Grouped[K2, Vc]: ...
    def group_by(
        self,
        fn: Callable[..., Any],
        *,
        with_key: bool = False,
        key: Any = MISSING,
        partitions: int | None = None,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Grouped[Any, Any]:
        """Group by a new key; records go through a repartition topic. A None key is an error (``on_error``)."""
        self.graph.check_function(fn, "group_by", 1 + with_key, with_key=with_key)
        settled = self.graph.settle("group_by", self.node, name)
        keyed = self.graph.add(
            nodes.KeyBy,
            "key_by",
            (self.node,),
            name=None,
            settled=settled,
            part=True,
            key=return_type(fn, key),
            value=self.node.value,
            on_error=on_error,
            fn=fn,
            with_key=with_key,
            required=True,
        )
        through = self._repartition(keyed, settled, partitions)
        return Grouped(self.graph, through, settled)

    def group_by_key(self, *, name: str | None = None) -> Grouped[Kc, Vc]:
        """Group by the key that records have. A None key is an error (``on_error``)."""
        settled = self.graph.settle("group_by_key", self.node, name)
        node = self._placed(settled)
        return Grouped(self.graph, node, settled)

    def map_record(
        self,
        fn: Callable[[Record[Kc, Vc]], Record[K2, V2]],
        *,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[K2, V2]:
        """Replace each record: key, value, timestamp and headers may change (`Record.replace`)."""
        returned = getattr(return_type(fn), "__args__", ())
        key, value = map(said, returned) if len(returned) == 2 else (UNKNOWN, UNKNOWN)
        return self._call(nodes.MapRecord, "map_record", fn, 1, name, on_error, key=key, value=value)

    def branch(
        self, fn: Callable[[Vc], object], *, name: str | None = None, on_error: OnError | None = None
    ) -> tuple[Stream[Kc, Vc], Stream[Kc, Vc]]:
        """Return two streams: where ``fn`` is true, and where it is not."""
        true, false = self._split("branch", {"true": fn}, name, on_error, rest="false")
        return true, false

    def split(self, **branches: Callable[[Vc], object]) -> Mapping[str, Stream[Kc, Vc]]:
        """Return a stream a branch, by keyword; the first that is true takes a record, ``["rest"]`` the others."""
        if not branches or "rest" in branches:
            raise TopologyError(
                'split takes branches by keyword, paid=lambda order: order.paid, and keeps the name "rest" for itself.',
                where=str(caller()),
            )
        streams = self._split("split", branches, None, None, rest="rest")
        return dict(zip([*branches, "rest"], streams, strict=True))

    def merge(self, *others: Stream[K2, V2]) -> Stream[Kc | K2, Vc | V2]:
        """Return the records of all the streams."""
        parents = (self.node, *(other.node for other in others))
        node = self.graph.add(
            nodes.Merge,
            "merge",
            parents,
            name=None,
            key=_merged((parent.key for parent in parents), key=True),
            value=_merged((parent.value for parent in parents), key=False),
        )
        return Stream(self.graph, node)

    def repartition(self, partitions: int | None = None, *, name: str | None = None) -> Stream[Kc, Vc]:
        """Send all records through a topic of the topology's own, so that equal keys meet in one task."""
        settled = self.graph.settle("repartition", self.node, name)
        node = self._repartition(self.node, settled, partitions, required=False, alone=True)
        return Stream(self.graph, node)

    def to(
        self: Stream[K, V],
        topic: Topic[K, V] | str | Callable[[V], str],
        *,
        topics: Sequence[str] = (),
        key: TypeForm[K] = MISSING,
        value: TypeForm[V] = MISSING,
    ) -> None:
        """Write to a topic, or to the one of ``topics`` that a function of the value names for each record."""
        key_type: Any = self.node.key if key is MISSING else key
        value_type: Any = self.node.value if value is MISSING else value
        target: str | Callable[[Any], str]
        where = str(caller())
        if isinstance(topic, Topic):
            key_type = topic.key if key is MISSING else key
            value_type = topic.value if value is MISSING else value
            self._check_fits(topic, where)
            self.graph.topics[topic.name] = topic
            target = topic.name
        elif isinstance(topic, str):
            target = check_topic_name(topic)
        else:
            self.graph.check_function(topic, "to", 1)
            target = topic
            if not topics or isinstance(topics, str):
                raise TopologyError(
                    'to with a function needs the topics that it may name: topics=["big", "small"].', where=where
                )
            for name in topics:
                check_topic_name(name)
        self.graph.add(
            nodes.Sink,
            "to",
            (self.node,),
            name=None,
            key=key_type,
            value=value_type,
            topic=target,
            topics=tuple(topics),
        )

    def to_table(self: Stream[K, V | None], *, name: str | None = None) -> Table[K, V]:
        """Keep the latest value of each key as a table; None deletes. A None key is an error (``on_error``)."""
        settled = self.graph.settle("to_table", self.node, name)
        parent = self._placed(settled)
        value = self.node.value if self.node.value is UNKNOWN else optional(self.node.value)[0]
        node = self.graph.add(
            nodes.ToTable,
            "to_table",
            (parent,),
            name=None,
            settled=settled,
            key=parent.key,
            value=value,
        )
        return Table(self.graph, node)

    def join(
        self: Stream[K, V],
        other: Table[K, U],
        fn: Callable[[V, U], W],
        *,
        returns: TypeForm[W] = MISSING,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[K, W]:
        """Look up each record's key in a table; records without a match are dropped. A null value is skipped."""
        return self._join("join", other, fn, returns, name, on_error, left=False)

    def left_join(
        self: Stream[K, V],
        other: Table[K, U],
        fn: Callable[[V, U | None], W],
        *,
        returns: TypeForm[W] = MISSING,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> Stream[K, W]:
        """Look up each record's key in a table; without a match ``fn`` gets None. A null value is skipped."""
        return self._join("left_join", other, fn, returns, name, on_error, left=True)

    def _join(
        self,
        operation: str,
        other: Table[Any, Any],
        fn: Callable[[Any, Any], Any],
        returns: Any,
        name: str | None,
        on_error: OnError | None,
        *,
        left: bool,
    ) -> Stream[Any, Any]:
        where = str(caller())
        if not isinstance(other, Table):
            raise TopologyError(f"{operation} joins a table, not {type(other).__name__}: use .to_table().", where=where)
        self.graph.check_function(fn, operation, 2)
        mine, theirs = self.node.key, other.node.key
        if UNKNOWN not in (mine, theirs) and optional(mine)[0] != optional(theirs)[0]:
            raise TopologyError(
                f"{operation} needs equal keys on both sides: the stream's are {show(mine)}, those of the table"
                f" {other.node.name!r} are {show(theirs)}. Use key_by before it.",
                where=where,
            )
        settled = self.graph.settle(operation, self.node, name)
        parent = self._placed(settled, required=False)
        node = self.graph.add(
            nodes.StreamTableJoin,
            operation,
            (parent, other.node),
            name=None,
            settled=settled,
            key=mine,
            value=return_type(fn, returns),
            on_error=on_error,
            fn=fn,
            left=left,
        )
        return Stream(self.graph, node)

    def _call(
        self,
        kind: type[Any],
        operation: str,
        fn: Callable[..., Any],
        arguments: int,
        name: str | None,
        on_error: OnError | None = None,
        **fields: Any,
    ) -> Stream[Any, Any]:
        """Add a node that calls ``fn`` once a record."""
        self.graph.check_function(fn, operation, arguments, with_key=bool(fields.get("with_key")))
        typed = {"key": self.node.key, "value": self.node.value} | fields
        node = self.graph.add(kind, operation, (self.node,), name=name, on_error=on_error, fn=fn, **typed)
        return Stream(self.graph, node)

    def _split(
        self,
        operation: str,
        branches: Mapping[str, Callable[[Any], object]],
        name: str | None,
        on_error: OnError | None,
        *,
        rest: str,
    ) -> list[Stream[Any, Any]]:
        for label, fn in branches.items():
            self.graph.check_function(fn, f"{operation} ({label})" if operation == "split" else operation, 1)
        key, value = self.node.key, self.node.value
        parent = self.graph.add(
            nodes.Split,
            operation,
            (self.node,),
            name=name,
            key=key,
            value=value,
            on_error=on_error,
            predicates=tuple(branches.values()),
            labels=(*branches, rest),
        )
        return [
            Stream(
                self.graph,
                self.graph.add(nodes.SplitOutput, label, (parent,), name=None, key=key, value=value, index=index),
            )
            for index, label in enumerate([*branches, rest])
        ]

    def _placed(self, settled: Settled, *, required: bool = True) -> nodes.Node:
        """Return this node, behind a repartition where the key was changed since the last one."""
        if not self.graph.key_changed(self.node):
            return self.node
        return self._repartition(self.node, settled, None, required=required)

    def _repartition(
        self,
        parent: nodes.Node,
        settled: Settled,
        partitions: int | None,
        *,
        required: bool = True,
        alone: bool = False,
    ) -> nodes.Node:
        if partitions is not None and (type(partitions) is not int or partitions < 1):
            raise TopologyError(f"partitions must be 1 or more, not {partitions!r}.", where=str(caller()))
        return self.graph.add(
            nodes.Repartition,
            "repartition",
            (parent,),
            name=None,
            settled=settled,
            part=not alone,
            key=parent.key,
            value=parent.value,
            partitions=partitions,
            required=required,
        )

    def _check_fits(self, topic: Topic[Any, Any], where: str) -> None:
        """Raise when both types are known and no value of the one could be of the other."""
        for what, mine, theirs in (
            ("keys", self.node.key, topic.key),
            ("values", self.node.value, topic.value),
        ):
            if UNKNOWN in (mine, theirs):
                continue
            ours, allowed = classes_of(mine), classes_of(theirs)
            if ours is None or allowed is None or ours & allowed or (int in ours and float in allowed):
                continue
            if not any(issubclass(one, tuple(allowed)) for one in ours):
                raise TopologyError(
                    f"to({topic.name!r}) takes {what} of type {show(theirs)}, and this stream's are {show(mine)}.",
                    where=where,
                )


def _merged(types: Iterable[Any], *, key: bool) -> Any:
    """Return the union of types, `UNKNOWN` where it has no encoding of its own: each record goes by what it is."""
    union = united(types)
    try:
        public_codec(union, key=key)
    except ConfigError:
        return UNKNOWN
    return union
