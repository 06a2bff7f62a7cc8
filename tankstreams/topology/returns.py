"""Types at run time: what a function returns, as far as anybody said."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Union, get_args, get_origin

from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.typeforms import optional, union_members

__all__ = ["MISSING", "field_types", "item_type", "or_none", "return_type", "said", "united"]

MISSING: Any = ...
"""The default of type parameters: None would be read as the type None."""


def return_type(fn: Callable[..., Any], declared: Any = MISSING) -> Any:
    """Return the type that ``fn`` gives: ``declared``, else its annotation, else `UNKNOWN`."""
    if declared is not MISSING:
        return declared
    if isinstance(fn, partial):
        return return_type(fn.func)
    if isinstance(fn, type):
        return fn
    target = fn if inspect.isroutine(fn) else getattr(type(fn), "__call__", fn)  # noqa: B004
    try:
        annotation = typing.get_type_hints(target, include_extras=True).get("return", UNKNOWN)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return UNKNOWN  # an annotation that cannot be evaluated here says nothing
    return said(annotation)


def said(annotation: Any) -> Any:
    """Return the annotation, `UNKNOWN` for Any, object and type variables: they say nothing at run time."""
    return UNKNOWN if annotation in (Any, object) or isinstance(annotation, typing.TypeVar) else annotation


def item_type(iterable: Any) -> Any:
    """Return U for list[U], Iterable[U], Iterator[U] and their like, else `UNKNOWN`."""
    origin, arguments = get_origin(iterable), get_args(iterable)
    if origin is None or not arguments or not isinstance(origin, type):
        return UNKNOWN
    if origin is tuple:
        return said(arguments[0]) if len(arguments) == 2 and arguments[1] is ... else UNKNOWN
    return said(arguments[0]) if issubclass(origin, Iterable) and not issubclass(origin, dict) else UNKNOWN


def united(types: Iterable[Any]) -> Any:
    """Return the union of types, `UNKNOWN` where one is unknown."""
    members: dict[Any, None] = {}
    for type_ in types:
        if type_ is UNKNOWN:
            return UNKNOWN
        members.update(dict.fromkeys(union_members(type_)))
    return next(iter(members)) if len(members) == 1 else Union[tuple(members)]  # noqa: UP007


def or_none(type_: Any) -> Any:
    """Return ``type_ | None``; what is unknown stays so."""
    return type_ if type_ is UNKNOWN or optional(type_)[1] else united([type_, type(None)])


def field_types(cls: type) -> dict[str, Any]:
    """Return the types of the fields of a result class by name; empty when they cannot be told."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}
