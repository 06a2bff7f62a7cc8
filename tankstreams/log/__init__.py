"""The log: topics, partitions, bundles, journal. Knows nothing of streams.

What programs use is named here; the clients themselves are also `tankstreams.open_log` and `tankstreams.open_log_sync`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tankstreams.log.address import DEFAULT_LOG
from tankstreams.log.commit import Append, Commit, CommitResult, Committed, Fenced, TaskCommit, TaskState
from tankstreams.log.fetch import AtTime, Fetched, FetchRequest, Start
from tankstreams.log.partitioner import partition_of
from tankstreams.log.records import Headers, Records, TopicPartition
from tankstreams.log.topic import PartitionInfo, TopicInfo

if TYPE_CHECKING:
    from tankstreams.log.aio import AsyncLog, open_log
    from tankstreams.log.produce import Produced
    from tankstreams.log.sync import SyncLog, open_log_sync

__all__ = [
    "DEFAULT_LOG",
    "Append",
    "AsyncLog",
    "AtTime",
    "Commit",
    "CommitResult",
    "Committed",
    "Fenced",
    "FetchRequest",
    "Fetched",
    "Headers",
    "PartitionInfo",
    "Produced",
    "Records",
    "Start",
    "SyncLog",
    "TaskCommit",
    "TaskState",
    "TopicInfo",
    "TopicPartition",
    "open_log",
    "open_log_sync",
    "partition_of",
]

_LATER = {
    "AsyncLog": "tankstreams.log.aio",
    "Produced": "tankstreams.log.produce",
    "SyncLog": "tankstreams.log.sync",
    "open_log": "tankstreams.log.aio",
    "open_log_sync": "tankstreams.log.sync",
}
"""Names whose modules are imported when they are first used: whoever needs only a record must not wait for a disk."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'tankstreams.log' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
