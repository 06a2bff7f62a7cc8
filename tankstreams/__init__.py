"""tankstreams: a log and the streams on it, in Python, with nothing else to run.

>>> import tankstreams as ts
>>> topology = ts.Topology("wordcount")
>>> lines = topology.stream("lines", value=str)
>>> lines.flat_map(str.split).group_by(str.lower, name="by-word").count().to("counts")

Layers, top to bottom; imports point down only (``tests/test_house.py`` checks it)::

    cli         commands
    runtime     runs a topology over a log
    topology    the DSL: builds and checks a DAG; runs nothing
    log         topics, partitions, bundles, journal; knows nothing of streams
    errors      the whole error tree
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tankstreams.topology.agg import Agg
from tankstreams.topology.aggregations import collect, count, first, fold, key, last, max, mean, min, sum, top
from tankstreams.topology.grouped import Grouped
from tankstreams.topology.nodes import DeadLetter, OnError
from tankstreams.topology.record import Record
from tankstreams.topology.serde import Serde, json, msgpack
from tankstreams.topology.stream import Stream
from tankstreams.topology.table import Table
from tankstreams.topology.times import Time
from tankstreams.topology.topic import Topic
from tankstreams.topology.topology import Settings, Topology

if TYPE_CHECKING:
    from tankstreams.log.aio import AsyncLog, open_log
    from tankstreams.log.sync import SyncLog, open_log_sync
    from tankstreams.runtime.progress import Progress
    from tankstreams.runtime.run import run, run_async

__all__ = [
    "Agg",
    "AsyncLog",
    "DeadLetter",
    "Grouped",
    "OnError",
    "Progress",
    "Record",
    "Serde",
    "Settings",
    "Stream",
    "SyncLog",
    "Table",
    "Time",
    "Topic",
    "Topology",
    "collect",
    "count",
    "first",
    "fold",
    "json",
    "key",
    "last",
    "max",
    "mean",
    "min",
    "msgpack",
    "open_log",
    "open_log_sync",
    "run",
    "run_async",
    "sum",
    "top",
]

__version__ = "0.1.0"

_LATER = {
    "AsyncLog": "tankstreams.log.aio",
    "open_log": "tankstreams.log.aio",
    "SyncLog": "tankstreams.log.sync",
    "open_log_sync": "tankstreams.log.sync",
    "Progress": "tankstreams.runtime.progress",
    "run": "tankstreams.runtime.run",
    "run_async": "tankstreams.runtime.run",
}
"""Names whose modules are imported when they are first used: the DSL alone must import quickly."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'tankstreams' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
