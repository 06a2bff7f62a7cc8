"""Reading a journal back: its sound groups, and what lies between them that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from tankstreams.log.disk import File
from tankstreams.log.group import (
    GROUP_HEADER_BYTES,
    GROUP_MAGIC,
    GROUP_TRAILER_MAGIC,
    GroupHead,
    PlacedPart,
    placed_parts,
    read_head,
    verify_bundle,
)
from tankstreams.log.journal import JOURNAL_HEADER_BYTES

__all__ = ["Lost", "Sound", "Window", "scan_file"]

WINDOW_BYTES: Final = 1 << 20
"""Bytes read at a time: most groups are far smaller, and a read each would cost more than their checks."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A group whose metadata is sound; ``damaged`` are the bundles of it that are not."""

    number: int
    position: int
    head: GroupHead
    damaged: tuple[PlacedPart, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Bytes that tell nothing: the sequences from ``first`` to ``until`` (exclusive; None: not known) were there."""

    number: int
    first: int
    until: int | None


Scanned: TypeAlias = Sound | Lost


class Window:
    """Reads of a file, most of them from one buffer."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._start = 0
        self._data = b""
        self.size = file.size()

    def read_at(self, position: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``position``; fewer only at the end of the file."""
        length = min(length, self.size - position)
        if length <= 0:
            return b""
        skip = position - self._start
        if skip < 0 or skip + length > len(self._data):
            if length >= WINDOW_BYTES:
                return self._file.read_at(position, length)
            self._start, skip = position, 0
            self._data = self._file.read_at(position, WINDOW_BYTES)
        return self._data[skip : skip + length]


def scan_file(file: File, number: int, file_id: int | None, expected: int) -> Iterator[Scanned]:
    """Yield what a journal file holds, in order; ``expected`` is the sequence that should come first.

    ``file_id`` None means that the file's header is damaged: the first sound group tells it, for all that follow must
    have the same.
    """
    window = Window(file)
    position = JOURNAL_HEADER_BYTES
    while position < window.size:
        head = read_head(window.read_at, position, file_id)
        if head is None or head.first < expected:
            found = _find(window, position, file_id, expected)
            if found is None:
                yield Lost(number, expected, None)
                return
            position, head = found
        if head.first > expected:
            yield Lost(number, expected, head.first)
        damaged = tuple(
            placed
            for placed in placed_parts(head, position)
            if verify_bundle(window.read_at(placed.position, placed.part.length), placed.part) is None
        )
        yield Sound(number, position, head, damaged)
        file_id = head.file_id
        expected = head.last + 1
        position += head.length


def _find(window: Window, position: int, file_id: int | None, expected: int) -> tuple[int, GroupHead] | None:
    """Return the next group from ``position`` on that one of its two heads still describes."""
    at = position
    overlap = max(len(GROUP_MAGIC), len(GROUP_TRAILER_MAGIC)) - 1
    while at + GROUP_HEADER_BYTES <= window.size:
        data = window.read_at(at, WINDOW_BYTES)
        for hit, magic in _hits(data):
            head = read_head(window.read_at, at + hit, file_id, magic)
            if head is None or head.first < expected:
                continue
            start = at + hit
            if magic == GROUP_TRAILER_MAGIC:
                start += head.head_bytes - head.length
            if start >= position:
                return start, head
        at += max(1, len(data) - overlap)
    return None


def _hits(data: bytes) -> list[tuple[int, bytes]]:
    hits = []
    for magic in (GROUP_MAGIC, GROUP_TRAILER_MAGIC):
        at = data.find(magic)
        while at >= 0:
            hits.append((at, magic))
            at = data.find(magic, at + 1)
    return sorted(hits)
