"""A store: the state of one stateful node in one task, with an overlay of what is not committed yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

__all__ = ["DELETED", "Store"]


class _Deleted:
    def __repr__(self) -> str:
        return "DELETED"


DELETED: Final = _Deleted()
"""In the overlay: this key is gone, whatever is committed below."""


class Store:
    """Maps encoded key bytes to entries (encoded bytes or immutable accumulators; the owner decides which).

    ``committed`` holds what the log has; ``overlay`` what was put since, `DELETED` for keys that went. A hot loop may
    use the two dicts directly: look up in the overlay first, write only to the overlay.
    """

    __slots__ = ("_deletes", "committed", "name", "overlay")

    def __init__(self, name: str) -> None:
        self.name = name
        self.committed: dict[bytes, Any] = {}
        self.overlay: dict[bytes, Any] = {}
        self._deletes = False

    def get(self, key: bytes) -> Any:
        """Return the entry of ``key``, or None."""
        entry = self.overlay.get(key)
        if entry is None:
            return self.committed.get(key)
        return None if entry is DELETED else entry

    def put(self, key: bytes, entry: Any) -> None:
        self.overlay[key] = entry

    def delete(self, key: bytes) -> None:
        self.overlay[key] = DELETED
        self._deletes = True

    def commit(self) -> None:
        """The log has what the overlay holds: make it the committed state."""
        committed = self.committed
        if self._deletes:
            for key, entry in self.overlay.items():
                if entry is DELETED:
                    committed.pop(key, None)
                else:
                    committed[key] = entry
        else:
            committed.update(self.overlay)
        self.discard()

    def discard(self) -> None:
        """Forget what was put since the last commit."""
        self.overlay = {}
        self._deletes = False

    def items(self) -> Iterator[tuple[bytes, Any]]:
        """Yield entries in the order of the key bytes, uncommitted ones included."""
        for key in sorted(self.committed.keys() | self.overlay.keys()):
            entry = self.get(key)
            if entry is not None:
                yield key, entry

    def __len__(self) -> int:
        return sum(1 for _ in self.items())
