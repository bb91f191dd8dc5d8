"""Frozen dataclasses to JSON and back, with their arrays kept apart, bit for bit.

Decoding is driven by the type hints of the class that is asked for, never by what the text
says it is: a file cannot make this program build anything else. Only the values of
``dict[str, object]`` carry their own tags, for a closed set of kinds.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import frozen

T = TypeVar("T")
Arrays = dict[str, NDArray[Any]]

_ARRAY = "$array"
_FLOAT = "$float"
_TUPLE = "$tuple"
_PATH = "$path"
_MAP = "$map"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.+-]{1,200}")
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: Any, arrays: Arrays, path: str = "") -> Any:
    """Turn `value` into JSON-able data; its arrays go into `arrays` under dotted names.

    Parameters
    ----------
    value
        Frozen dataclass, enum, tuple, list, dict with text keys, array, number, text, path, None.
    arrays
        Receives every array met, keyed by where it was found.
    path
        Dotted name of `value` itself.

    Raises
    ------
    TypeError
        For anything else, such as an array of Python objects.
    """
    if value is None or (isinstance(value, bool | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return _encode_float(float(value))
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, path)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        prefix = f"{path}." if path else ""
        return {
            field.name: encode(getattr(value, field.name), arrays, prefix + field.name)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return {_TUPLE: [encode(v, arrays, f"{path}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [encode(v, arrays, f"{path}.{i}") for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        return {_MAP: _encode_items(value, arrays, path)}
    if isinstance(value, Path):
        return {_PATH: value.as_posix()}
    raise TypeError(f"{path or 'value'} has a type that is not stored: {type(value).__name__}")


def decode(kind: type[T], data: Any, arrays: Mapping[str, NDArray[Any]]) -> T:
    """Rebuild an object of class `kind` from what `encode` made; arrays come back read-only.

    Raises
    ------
    ValueError, TypeError, KeyError
        When the data do not fit the class.
    """
    return typing.cast(T, _decode(kind, data, arrays))


def _encode_float(number: float) -> Any:
    return number if math.isfinite(number) else {_FLOAT: str(number)}


def _encode_array(array: NDArray[Any], arrays: Arrays, path: str) -> dict[str, str]:
    if array.dtype.hasobject or array.dtype.names is not None:
        raise TypeError(f"{path} is an array of Python objects or records")
    key = path if _PLAIN_KEY.fullmatch(path) else f"array_{len(arrays)}"
    while key in arrays:
        key += "_"
    arrays[key] = array
    return {_ARRAY: key}


def _encode_items(items: Mapping[Any, Any], arrays: Arrays, path: str) -> dict[str, Any]:
    for key in items:
        if type(key) is not str:
            raise TypeError(f"{path} has a key that is not text: {key!r}")
    return {key: encode(item, arrays, f"{path}.{key}") for key, item in items.items()}


def _decode(kind: Any, data: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(kind, data, arrays)
    if origin is tuple:
        return _decode_tuple(typing.get_args(kind), data, arrays)
    if origin is dict:
        item_kind = typing.get_args(kind)[1]
        return {key: _decode(item_kind, item, arrays) for key, item in data[_MAP].items()}
    if origin is np.ndarray or kind is np.ndarray:
        return frozen(arrays[data[_ARRAY]])
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, data, arrays)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind in (object, Any):
        return _decode_tagged(data, arrays)
    return _decode_scalar(kind, data)


def _decode_dataclass(kind: Any, data: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(data, dict):
        raise TypeError(f"{kind.__name__} is not a record")
    hints = typing.get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}
    if unknown := set(data) - names:
        raise ValueError(f"{kind.__name__} has unknown fields: {sorted(unknown)}")
    return kind(**{name: _decode(hints[name], item, arrays) for name, item in data.items()})


def _decode_union(kind: Any, data: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    choices = typing.get_args(kind)
    if data is None and type(None) in choices:
        return None
    rest = [choice for choice in choices if choice is not type(None)]
    failures: list[str] = []
    for choice in rest:
        try:
            return _decode(choice, data, arrays)
        except (TypeError, ValueError, KeyError) as failure:
            failures.append(str(failure))
    raise ValueError("; ".join(failures) or "no value was expected here")


def _decode_tuple(
    kinds: tuple[Any, ...], data: Any, arrays: Mapping[str, NDArray[Any]]
) -> tuple[Any, ...]:
    items = data[_TUPLE]
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode(kinds[0], item, arrays) for item in items)
    if len(kinds) != len(items):
        raise ValueError(f"expected {len(kinds)} items, found {len(items)}")
    return tuple(_decode(kind, item, arrays) for kind, item in zip(kinds, items, strict=True))


def _decode_scalar(kind: Any, data: Any) -> Any:
    if kind is float:
        if isinstance(data, dict):
            return _NON_FINITE[data[_FLOAT]]
        if isinstance(data, int | float) and not isinstance(data, bool):
            return float(data)
    elif kind is int:
        if isinstance(data, int) and not isinstance(data, bool):
            return data
    elif kind in (bool, str):
        if isinstance(data, kind):
            return data
    elif isinstance(kind, type) and issubclass(kind, Path):
        return Path(data[_PATH])
    raise TypeError(f"expected {getattr(kind, '__name__', kind)}, found {type(data).__name__}")


def _decode_tagged(data: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(data, list):
        return [_decode_tagged(item, arrays) for item in data]
    if not isinstance(data, dict):
        return data
    ((tag, content),) = data.items()
    if tag == _MAP:
        return {key: _decode_tagged(item, arrays) for key, item in content.items()}
    if tag == _TUPLE:
        return tuple(_decode_tagged(item, arrays) for item in content)
    if tag == _ARRAY:
        return frozen(arrays[content])
    if tag == _FLOAT:
        return _NON_FINITE[content]
    if tag == _PATH:
        return Path(content)
    raise ValueError(f"unknown tag {tag!r}")
