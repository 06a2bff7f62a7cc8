"""The graph under construction: adds frozen nodes, names them, and says where in the user's code they come from."""

from __future__ import annotations

import inspect
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from zlib import crc32

from tankstreams.errors import ConfigError, InvalidTopicName, TopologyError
from tankstreams.log.topic import check_topic_name
from tankstreams.topology import nodes
from tankstreams.topology.nodes import Node, OnError, Where
from tankstreams.topology.serde import check_key_type, public_codec
from tankstreams.topology.topic import Topic

__all__ = ["Graph", "Settled", "caller"]

PACKAGE: Final = str(Path(__file__).resolve().parent.parent) + os.sep
PATH_LENGTH_MAX: Final = 120
"""Characters of a generated name: internal topics must stay below Kafka's 249 with the topology's name before it."""

N = TypeVar("N", bound=Node)


def caller() -> Where:
    """Return the first line outside this package on the stack."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(PACKAGE):
        frame = frame.f_back
    file = frame.f_code.co_filename
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    return Where(file if relative.startswith("..") else relative, frame.f_lineno)


@dataclass(frozen=True, slots=True)
class Settled:
    """The name of a thing of several nodes; ``named`` says that the user chose it."""

    name: str
    named: bool


class Graph:
    """The nodes of one topology, in order of declaration."""

    def __init__(self, topology: str, on_error: OnError) -> None:
        self.topology = topology
        self.on_error = on_error
        self.nodes: list[Node] = []
        self.inherited: set[int] = set()
        self.topics: dict[str, Topic[Any, Any]] = {}
        self._paths: dict[str, int] = {}
        self._reserved: dict[str, Where] = {}
        self._names: dict[str, Where] = {}

    def add(
        self,
        kind: type[N],
        operation: str,
        parents: tuple[Node, ...],
        *,
        name: str | None,
        key: Any,
        value: Any,
        on_error: OnError | None = None,
        settled: Settled | None = None,
        part: bool = False,
        **fields: Any,
    ) -> N:
        """Add a node named ``name``, or after its first parent and ``operation``.

        ``settled`` is a name that `settle` gave; with ``part`` the node is a part of that: ``settled.operation``.
        """
        where = caller()
        for parent in parents:
            if parent.id >= len(self.nodes) or self.nodes[parent.id] is not parent:
                raise TopologyError(
                    f"{operation} was given a stream or table of another topology: build both from the same Topology.",
                    where=str(where),
                )
        if settled is not None and not part and settled.name not in self._names:
            full = settled.name
        else:
            full = self._name(operation, parents, name, settled.name if settled else None, where)
        for form, is_key in ((key, True), (value, False)):
            self._check_type(form, operation, where, key=is_key)
        self._check_on_error(on_error, operation, where)
        node = kind(
            id=len(self.nodes),
            name=full,
            named=name is not None or (settled is not None and settled.named),
            parents=tuple(parent.id for parent in parents),
            where=where,
            on_error=self.on_error if on_error is None else on_error,
            key=key,
            value=value,
            **fields,
        )
        if on_error is None:
            self.inherited.add(node.id)
        self.nodes.append(node)
        self._names[full] = where
        return node

    def settle(self, operation: str, parent: Node, name: str | None) -> Settled:
        """Return the name that a thing of several nodes will have, and keep it for that."""
        where = caller()
        settled = self._name(operation, (parent,), name, None, where)
        if name is not None:
            self._reserved[name] = where
        return Settled(settled, named=name is not None)

    def _name(
        self, operation: str, parents: tuple[Node, ...], name: str | None, owner: str | None, where: Where
    ) -> str:
        if name is not None:
            taken = self._names.get(name) or self._reserved.get(name)
            if taken is not None:
                raise TopologyError(
                    f"the name {name!r} is taken already (at {taken}): a name belongs to one node.",
                    node=name,
                    where=str(where),
                )
            self._check_name(name, where)
            return name
        path = f"{owner}.{operation}" if owner else ".".join([*(parent.name for parent in parents[:1]), operation])
        if len(path) > PATH_LENGTH_MAX:
            path = f"{crc32(path.encode()):08x}.{path[-PATH_LENGTH_MAX + 20 :]}"
        count = self._paths[path] = self._paths.get(path, 0) + 1
        unique = path if count == 1 else f"{path}-{count}"
        return unique if unique not in self._names else f"{unique}-{len(self.nodes)}"

    def _check_name(self, name: str, where: Where) -> None:
        try:
            check_topic_name(f"{self.topology}-{name}-repartition" if name else name)
        except InvalidTopicName as error:
            raise TopologyError(f"name={name!r} cannot be used: {error}", node=name, where=str(where)) from error

    def _check_type(self, form: Any, operation: str, where: Where, *, key: bool) -> None:
        if form is nodes.UNKNOWN:
            return
        try:
            if key:
                check_key_type(form)
            public_codec(form, key=key)
        except ConfigError as error:
            raise TopologyError(f"{operation}: {error}", where=str(where)) from error

    def _check_on_error(self, on_error: OnError | None, operation: str, where: Where) -> None:
        if on_error is None or on_error in ("fail", "skip") or isinstance(on_error, nodes.DeadLetter):
            return
        raise TopologyError(
            f'{operation} takes on_error="fail", "skip" or ts.DeadLetter("topic"), not {on_error!r}.', where=str(where)
        )

    def check_function(self, fn: object, operation: str, arguments: int, *, with_key: bool = False) -> None:
        """Refuse what cannot be called with so many arguments, and ``async def`` functions."""
        where = str(caller())
        if not callable(fn):
            raise TopologyError(f"{operation} takes a function, not {type(fn).__name__}.", where=where)
        if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
            raise TopologyError(
                f"{operation} was given the async function {getattr(fn, '__name__', fn)!r}, whose result would be a"
                " coroutine: give it a plain function.",
                where=where,
            )
        try:
            signature = inspect.signature(fn)
        except (ValueError, TypeError):
            return  # builtins may hide theirs
        try:
            signature.bind(*[None] * arguments)
        except TypeError:
            what = {(1, False): "the value", (2, True): "the key and the value"}.get((arguments, with_key), "")
            advice = ""
            if not with_key and arguments == 1 and _binds(signature, 2):
                advice = ": pass with_key=True to have the key as well"
            elif with_key and _binds(signature, 1):
                advice = ": with_key=True hands the key and the value as two arguments"
            raise TopologyError(
                f"{operation} calls its function with {arguments} argument{'s' * (arguments != 1)}"
                f"{f' ({what})' if what else ''}, and {getattr(fn, '__name__', 'this one')}{signature} does not take"
                f" that{advice}.",
                where=where,
            ) from None

    def key_changed(self, node: Node) -> bool:
        """Whether the records of ``node`` may lie in another partition than their keys say."""
        match node:
            case nodes.KeyBy() | nodes.MapRecord():
                return True
            case nodes.Source() | nodes.Repartition() | nodes.Stateful():
                return False
            case nodes.StreamTableJoin():
                return self.key_changed(self.nodes[node.parents[0]])
            case _:
                return any(self.key_changed(self.nodes[parent]) for parent in node.parents)


def _binds(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True
