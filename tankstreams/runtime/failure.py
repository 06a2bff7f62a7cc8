"""A failure: a record that a node could not process, and what becomes of it."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tankstreams.errors import DecodeError, EncodeError, ProcessingError
from tankstreams.topology.nodes import Node, Source, TableSource

if TYPE_CHECKING:
    from tankstreams.log.records import Headers
    from tankstreams.runtime.columns import Batch

__all__ = ["BadResult", "StepFailed", "dead_letter_headers", "processing_error", "reason_of"]

PACKAGE: Final = str(Path(__file__).resolve().parent.parent)

HEADER_BYTES_MAX: Final = 32 << 10
"""Bytes of one header of a dead letter: a traceback may be long, the record must fit in a bundle."""

PREFIX: Final = "__streams.errors."
"""Header names of dead letters are Kafka Streams' (KIP-1034), with ``node`` beside them."""


class BadResult(Exception):
    """A user's function gave what it must not; the message is one clause for the error's sentence."""


class StepFailed(Exception):
    """Under ``on_error="fail"``: the step stops at this record of the batch."""

    def __init__(self, node: Node, batch: Batch, row: int, cause: Exception) -> None:
        super().__init__(node.name, row)
        self.node = node
        self.batch = batch
        self.row = row
        self.cause = cause


def reason_of(cause: BaseException) -> str:
    """Return one clause that says what went wrong."""
    if isinstance(cause, (BadResult, DecodeError, EncodeError)):
        return str(cause).rstrip(".")
    text = str(cause).rstrip(".")
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


def user_traceback(cause: BaseException) -> str:
    """Return the traceback with the user's frames only: it must not tell how the records were cut into batches."""
    frames = traceback.extract_tb(cause.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith(PACKAGE)]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(users)] if users else []
    return "".join([*lines, *traceback.format_exception_only(cause)])


def dead_letter_headers(node: Node, batch: Batch, row: int, cause: BaseException) -> Headers:
    """Return the original record's headers followed by what happened to it."""
    records = batch.records
    original = records.headers[row] if records.headers is not None else ()
    said = {
        "node": node.name,
        "exception": type(cause).__name__,
        "message": reason_of(cause),
        "stacktrace": user_traceback(cause),
        "topic": batch.source.topic,
        "partition": str(batch.source.partition),
        "offset": str(records.offsets[row]),
    }
    encoded = ((PREFIX + name, text.encode("utf-8", "backslashreplace")) for name, text in said.items())
    return (*original, *((name, data[:HEADER_BYTES_MAX]) for name, data in encoded))


def processing_error(failed: StepFailed) -> ProcessingError:
    """Return the error that ends the run."""
    node, cause = failed.node, failed.cause
    advice = None
    if isinstance(node, (Source, TableSource)) and isinstance(cause, DecodeError):
        topic = failed.batch.source.topic
        advice = (
            f"declare the type that {topic!r} really has, or let such records pass with"
            ' on_error="skip" or on_error=ts.DeadLetter("topic") on the source or the topology'
        )
    error = ProcessingError(
        reason_of(cause),
        node=node.name,
        where=str(node.where),
        topic=failed.batch.source.topic,
        partition=failed.batch.source.partition,
        offset=failed.batch.records.offsets[failed.row],
        advice=advice,
    )
    error.__cause__ = cause
    return error
