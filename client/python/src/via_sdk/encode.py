"""One event as one line of NDJSON. Called for every event, so it is short."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta, timezone
from json.encoder import encode_basestring
from math import isfinite
from time import time_ns
from typing import Any, Callable, Mapping

#: A text as JSON, in C where Python has that.
quote: Callable[[str], str] = encode_basestring

_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class Invalid(ValueError):
    """An event that can never be sent."""


def line(entity: Any, value: Any, timestamp: Any, unique_id: Any,
         attributes: Mapping[str, Any] | None, values: Mapping[str, float] | None) -> bytes:
    """Encodes an event, without a line end."""
    number = float(value)
    if not isfinite(number):
        raise Invalid("value is not finite")
    at = str(time_ns() // 1000) if timestamp is None else _stamp(timestamp)
    if entity is None:
        text = f'{{"timestamp":{at},"value":{number!r}'
    else:
        name = entity if type(entity) is str else str(entity)
        text = f'{{"entity":{quote(name)},"timestamp":{at},"value":{number!r}'
    if unique_id is not None:
        text += f',"unique_id":{quote(str(unique_id))}'
    if attributes:
        text += f',"attributes":{_object(attributes)}'
    if values:
        text += f',"values":{_object({name: float(lane) for name, lane in values.items()})}'
    return (text + "}").encode()


def random_id() -> str:
    """Makes an id for an event of an unnumbered client."""
    return uuid.uuid4().hex


def _object(members: Mapping[str, Any]) -> str:
    return "{" + ",".join([
        f"{quote(name if type(name) is str else str(name))}:"
        f"{quote(item) if type(item) is str else _other(item)}"
        for name, item in members.items()]) + "}"


def _other(item: Any) -> str:
    # The encoder's own way costs a microsecond for the shortest number.
    kind = type(item)
    if kind is int or (kind is float and isfinite(item)):
        return repr(item)
    if kind is bool:
        return "true" if item else "false"
    return _write(item)


def _stamp(timestamp: Any) -> str:
    if isinstance(timestamp, datetime):
        return str((timestamp.astimezone(timezone.utc) - _EPOCH) // _MICROSECOND)
    if isinstance(timestamp, str):
        return str(quote(timestamp))
    if isinstance(timestamp, int):
        return str(int(timestamp))
    number = float(timestamp)
    if not isfinite(number):
        raise Invalid("timestamp is not finite")
    return repr(number)
