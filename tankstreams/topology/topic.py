"""A declared topic: its name, and the types of its keys and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic

from typing_extensions import TypeForm, TypeVar

from tankstreams.log.topic import check_topic_name
from tankstreams.topology.returns import MISSING
from tankstreams.topology.serde import Codec, check_key_type, public_codec

__all__ = ["Topic"]

Kd = TypeVar("Kd", default=bytes | None)
Vd = TypeVar("Vd", default=bytes)


class Topic(Generic[Kd, Vd]):
    """A topic with its types, for `Topology.stream`, `Topology.table`, `Stream.to` and for writing and reading it.

    Without ``key=`` keys are bytes or None, without ``value=`` values are bytes. ``partitions`` and ``config`` are used
    when the topic is created. Raises `InvalidTopicName` and `ConfigError`.

    >>> CLICKS = Topic("clicks", key=str, value=dict[str, int])
    >>> CLICKS.encode_values([{"n": 1}])
    [b'{"n":1}']
    """

    def __init__(
        self,
        name: str,
        *,
        key: TypeForm[Kd] = MISSING,
        value: TypeForm[Vd] = MISSING,
        partitions: int | None = None,
        config: Mapping[str, str | int] = MISSING,
    ) -> None:
        self.name = check_topic_name(name)
        self.key: Any = bytes | None if key is MISSING else key
        self.value: Any = bytes if value is MISSING else value
        self.partitions = partitions
        self.config: Mapping[str, str | int] = {} if config is MISSING else dict(config)
        check_key_type(self.key)

    def __repr__(self) -> str:
        return f"Topic({self.name!r})"

    @property
    def key_codec(self) -> Codec:
        """The codec of the keys' public encoding."""
        return public_codec(self.key, key=True)

    @property
    def value_codec(self) -> Codec:
        """The codec of the values' public encoding."""
        return public_codec(self.value, key=False)

    def encode_keys(self, keys: Sequence[Kd]) -> list[bytes | None]:
        """Return the public encoding of a column of keys."""
        return [self.key_codec.encode(key) for key in keys]

    def encode_values(self, values: Sequence[Vd]) -> list[bytes | None]:
        """Return the public encoding of a column of values; None is a null value (a tombstone)."""
        encode = self.value_codec.encode
        return [None if value is None else encode(value) for value in values]
