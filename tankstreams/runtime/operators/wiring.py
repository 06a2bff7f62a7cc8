"""Wiring: the operators of one task, made from the nodes of its sub-topology and joined up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tankstreams.runtime.operators.operator import Exit, Operator, Scope
from tankstreams.runtime.operators.sinks import RepartitionOperator, SinkOperator
from tankstreams.runtime.operators.sources import SourceOperator
from tankstreams.runtime.operators.stateful import AggregateOperator, JoinOperator, TableOperator
from tankstreams.runtime.operators.stateless import (
    FilterOperator,
    FlatMapOperator,
    ForeachOperator,
    KeyByOperator,
    MapOperator,
    MapRecordOperator,
    PassOperator,
    PeekOperator,
    SplitOperator,
)
from tankstreams.runtime.output import Output
from tankstreams.runtime.store import Store
from tankstreams.topology import nodes

__all__ = ["Wired", "Wiring"]


@dataclass(frozen=True, slots=True)
class Wired:
    """The operators of a task: ``sources`` by the id of the node that reads, ``stores`` by node id."""

    scope: Scope
    sources: Mapping[int, SourceOperator]
    stores: Mapping[int, Store]


class Wiring:
    """Makes the operators for ``members`` (nodes in order of declaration) of one sub-topology.

    ``one_by_one`` are the ids of the nodes that run record by record. ``outputs`` has an `Output` for every topic
    that the members can write; ``topic_of`` names the internal topic of a node.
    """

    def __init__(
        self,
        members: Sequence[nodes.Node],
        readers: frozenset[int],
        one_by_one: frozenset[int],
        outputs: dict[str, Output],
        topic_of: Callable[[nodes.Node], str],
    ) -> None:
        self._members = members
        self._readers = readers
        self._one_by_one = one_by_one
        self._topic_of = topic_of
        self._scope = Scope(outputs)
        self._stores: dict[int, Store] = {}
        self._receivers: dict[int, Operator] = {}
        self._emitters: dict[int, Operator] = {}

    def wire(self) -> Wired:
        """Make and join all operators."""
        sources: dict[int, SourceOperator] = {}
        for node in self._members:
            if node.id in self._readers and isinstance(node, (nodes.Source, nodes.TableSource, nodes.Repartition)):
                self._emitters[node.id] = sources[node.id] = SourceOperator(node, self._scope)
            operator = self._make(node)
            if operator is not None:
                self._receivers[node.id] = operator
                if not isinstance(node, nodes.Repartition):
                    self._emitters[node.id] = operator
                if isinstance(node, nodes.TableSource):
                    self._link(sources[node.id], operator)
        for node in self._members:
            # The table of a join is looked into; its updates trigger nothing.
            parents = node.parents[:1] if isinstance(node, nodes.StreamTableJoin) else node.parents
            for parent in parents:
                if parent in self._emitters and node.id in self._receivers:
                    self._link(self._emitters[parent], self._receivers[node.id])
        return Wired(self._scope, sources, self._stores)

    def _link(self, emitter: Operator, child: Operator) -> None:
        """Let ``emitter`` send to ``child``."""
        inside, child_inside = emitter.node.id in self._one_by_one, child.node.id in self._one_by_one
        emitter.to_columns.append(child.enter if child_inside and not inside else child.columns)
        if inside and not child_inside:
            exit_ = Exit(child, self._scope)
            self._scope.exits.append(exit_)
            emitter.to_one.append(exit_.one)
        else:
            emitter.to_one.append(child.one)
        if isinstance(emitter, SplitOperator):
            assert isinstance(child.node, nodes.SplitOutput)
            emitter.branches.append(child.node.index)

    def _store(self, node: nodes.Node) -> tuple[Store, Output]:
        store = self._stores[node.id] = Store(node.name)
        return store, self._scope.outputs[self._topic_of(node)]

    def _make(self, node: nodes.Node) -> Operator | None:
        scope = self._scope
        match node:
            case nodes.Source():
                return None
            case nodes.Repartition():
                written = node.parents[0] in self._emitters
                return RepartitionOperator(node, scope, self._topic_of(node)) if written else None
            case nodes.TableSource() | nodes.ToTable():
                return TableOperator(node, scope, *self._store(node))
            case nodes.Aggregate():
                return AggregateOperator(node, scope, *self._store(node))
            case nodes.StreamTableJoin():
                table = self._receivers[node.parents[1]]
                assert isinstance(table, (TableOperator, AggregateOperator))
                return JoinOperator(node, scope, table)
            case nodes.Sink():
                return SinkOperator(node, scope)
            case nodes.Filter():
                return FilterOperator(node, scope)
            case nodes.Map():
                return MapOperator(node, scope)
            case nodes.FlatMap():
                return FlatMapOperator(node, scope)
            case nodes.Peek():
                return PeekOperator(node, scope)
            case nodes.Foreach():
                return ForeachOperator(node, scope)
            case nodes.KeyBy():
                return KeyByOperator(node, scope)
            case nodes.MapRecord():
                return MapRecordOperator(node, scope)
            case nodes.Split():
                return SplitOperator(node, scope)
            case nodes.SplitOutput() | nodes.Merge() | nodes.ToStream():
                return PassOperator(node, scope)
            case _:
                raise AssertionError(f"no operator for {type(node).__name__}")
