"""Classes of every kind that a value may be of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NewType, TypedDict

import msgspec
import pydantic


@dataclass
class Trip:
    origin: str
    miles: float
    stops: list[int] = field(default_factory=list)
    left: datetime | None = None


@dataclass(frozen=True)
class Paid:
    order: str
    cents: int


class Sent(msgspec.Struct, frozen=True):
    order: str
    carrier: str
    days: float = 1.0


class Plane(TypedDict):
    maker: str
    seats: int | None


class Order(pydantic.BaseModel):
    number: int = pydantic.Field(alias="no")
    tags: dict[str, float] = {}


class Size(str, Enum):  # noqa: UP042  # enum.StrEnum is only one way to write it
    SMALL = "small"
    LARGE = "large"


UserId = NewType("UserId", str)
