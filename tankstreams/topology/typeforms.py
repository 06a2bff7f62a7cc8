"""Type forms: what can be told from a declared type at run time."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, is_typeddict

import msgspec

from tankstreams.errors import ConfigError

__all__ = ["classes_of", "foreign_class", "optional", "plain", "show", "tell_apart", "texts_of", "union_members"]


def show(type_: Any) -> str:
    """Return a type as a user would write it."""
    if isinstance(type_, type) and not get_args(type_):
        return type_.__qualname__.rpartition("<locals>.")[2]
    if get_origin(type_) is Annotated:
        inner, *extras = get_args(type_)
        return f"Annotated[{show(inner)}, {', '.join(map(repr, extras))}]"
    if get_origin(type_) in (Union, types.UnionType):
        return " | ".join("None" if member is type(None) else show(member) for member in get_args(type_))
    if get_origin(type_) is not None and get_args(type_):
        arguments = ", ".join(show(argument) for argument in get_args(type_))
        return f"{getattr(get_origin(type_), '__name__', get_origin(type_))}[{arguments}]"
    return str(type_).replace("typing.", "")


def plain(type_: Any) -> Any:
    """Return the type behind a ``NewType`` or a ``type`` alias."""
    while True:
        if isinstance(type_, NewType):
            type_ = type_.__supertype__
        elif type(type_).__name__ == "TypeAliasType":  # in typing from Python 3.12 on, in typing_extensions before
            type_ = type_.__value__
        else:
            return type_


def texts_of(type_: Any) -> frozenset[type] | None:
    """Return the classes of a type whose values are all strs (str, an enum of strs, a Literal of strs), else None."""
    if get_origin(type_) is Literal:
        return frozenset({str}) if all(type(value) is str for value in get_args(type_)) else None
    if type_ is str or (isinstance(type_, type) and issubclass(type_, str) and issubclass(type_, Enum)):
        return frozenset({type_})
    return None


def union_members(type_: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    return get_args(type_) if get_origin(type_) in (Union, types.UnionType) else (type_,)


def optional(type_: Any) -> tuple[Any, bool]:
    """Return the type without None, and whether it had it."""
    members = union_members(type_)
    if type(None) not in members or len(members) == 1:
        return type_, type_ is type(None)
    others = tuple(member for member in members if member is not type(None))
    return (others[0] if len(others) == 1 else Union[others]), True  # noqa: UP007


def classes_of(type_: Any) -> frozenset[type] | None:
    """Return the run-time classes of a type's values, None where they cannot be told."""
    classes: set[type] = set()
    for member in union_members(type_):
        origin = get_origin(member)
        if origin is Annotated:
            inner = classes_of(get_args(member)[0])
            if inner is None:
                return None
            classes |= inner
        elif is_typeddict(member):
            classes.add(dict)
        elif isinstance(origin, type):
            if origin.__module__ == "collections.abc":
                return None
            classes.add(origin)
        elif isinstance(member, type) and member.__module__ != "collections.abc":
            classes.add(member)
        else:
            return None
    return frozenset(classes)


def foreign_class(type_: Any) -> type | None:
    """Return a class at any depth of the type that JSON has no form for, None when there is none."""
    seen: set[int] = set()

    def find(described: Any) -> type | None:
        if id(described) in seen:
            return None
        seen.add(id(described))
        if isinstance(described, msgspec.inspect.CustomType):
            return described.cls
        if isinstance(described, msgspec.inspect.Metadata):
            return find(described.type)
        parts: list[Any] = [getattr(field, "type", None) for field in getattr(described, "fields", ())]
        parts += [getattr(described, name, None) for name in ("item_type", "key_type", "value_type")]
        for name in ("types", "item_types"):
            parts += getattr(described, name, ())
        return next((found for part in parts if part is not None and (found := find(part)) is not None), None)

    try:
        return find(msgspec.inspect.type_info(type_))
    except TypeError:  # the decoder says what is wrong with it
        return None


def tell_apart(members: Sequence[Any]) -> Callable[[bytes], Any]:
    """Return a decoder for a union of classes without tags: the fields say which one it is.

    The member is the one whose required fields are all there and of which the most fields are there. Raises
    `ConfigError` when an object could be two of them.
    """
    shapes = [(_fields(member), msgspec.json.Decoder(member).decode) for member in members if _is_class(member)]
    scalars = [member for member in members if not _is_class(member)]
    names = " | ".join(show(member) for member in members)
    for place, ((fields, required), _) in enumerate(shapes):
        for (other_fields, other_required), _ in shapes[place + 1 :]:
            if required <= other_fields and other_required <= fields:
                raise ConfigError(
                    f"{names} cannot be told apart when they are read: an object could be two of them. Give them"
                    " required fields that the others lack, or make them msgspec.Struct classes with tag=True.",
                    value=names,
                )
    decode_scalar = msgspec.json.Decoder(Union[tuple(scalars)]).decode if scalars else None  # noqa: UP007
    decode_any = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def decode(data: bytes) -> Any:
        if decode_scalar is not None and not data.lstrip().startswith(b"{"):
            return decode_scalar(data)
        there = decode_any(data).keys()
        fitting = [(len(fields & there), decode_one) for (fields, required), decode_one in shapes if required <= there]
        if not fitting:
            raise ValueError(f"its fields ({', '.join(sorted(there))}) are those of none of {names}")
        return max(fitting, key=lambda fit: fit[0])[1](data)

    return decode


def _is_class(member: Any) -> bool:
    return is_typeddict(member) or (
        isinstance(member, type) and (dataclasses.is_dataclass(member) or issubclass(member, msgspec.Struct))
    )


def _fields(member: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Return a class's fields and the required ones among them, by their names in JSON."""
    if is_typeddict(member):
        return frozenset(member.__annotations__), frozenset(member.__required_keys__)
    if dataclasses.is_dataclass(member):
        fields = dataclasses.fields(member)
        missing = dataclasses.MISSING
        required = [field.name for field in fields if field.default is missing and field.default_factory is missing]
        return frozenset(field.name for field in fields), frozenset(required)
    described = msgspec.structs.fields(member)
    return (
        frozenset(field.encode_name for field in described),
        frozenset(field.encode_name for field in described if field.required),
    )
