"""What a checkpoint's `data.pkl` would build, found out without building anything.

A state dict needs few of a pickle's instructions: texts, whole numbers, tuples, one dict, and
calls of three known functions. This reads the instructions as data (`pickletools`), follows them
with tags in place of objects, and refuses the file at the first one that a state dict does not
need. Nothing is imported and nothing is called. What passes goes on to the restricted reader of
torch, which then meets nothing unknown.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from app.core.errors import ModelError

MAX_INSTRUCTIONS = 200_000
MAX_TENSORS = 4096
MAX_TEXT_LETTERS = 256
STORAGES = {
    "torch FloatStorage": ("float32", 4),
    "torch HalfStorage": ("float16", 2),
    "torch BFloat16Storage": ("bfloat16", 2),
    "torch DoubleStorage": ("float64", 8),
}
_ORDERED = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_GLOBALS = frozenset({_ORDERED, _TENSOR, _PARAMETER, *STORAGES})
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CONSTANTS = {"NEWTRUE": True, "NEWFALSE": False, "NONE": None}
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1"})
_MARK = object()


@dataclass(frozen=True, slots=True)
class Name:
    """A global that the pickle names; never imported."""

    text: str


@dataclass(slots=True, eq=False)
class Table:
    """A dict that the pickle would fill."""

    items: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Storage:
    """A member of the archive that tensors would take their numbers from."""

    key: str
    dtype: str
    item_bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class TensorOutline:
    """A tensor that the pickle would build: all of one storage or a dense part of it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]


def read_outline(pickle: bytes, storage_bytes: Mapping[str, int]) -> dict[str, TensorOutline]:
    """The tensors of a state dict by name.

    Parameters
    ----------
    pickle
        Content of ``data.pkl``.
    storage_bytes
        True length of each member ``data/<key>`` by key.

    Raises
    ------
    ModelError
        ``model.pickle`` with what is wrong, in one sentence.
    """
    top = _Follower(storage_bytes).follow(pickle)
    if not isinstance(top, Table) or not 0 < len(top.items) <= MAX_TENSORS:
        refuse("it holds something else than a table of tensors")
    for value in top.items.values():
        if not isinstance(value, TensorOutline):
            refuse("its table holds something else than tensors")
    return dict(top.items)


class _Follower:
    """Follows the instructions with tags on a stack."""

    def __init__(self, storage_bytes: Mapping[str, int]) -> None:
        self._storage_bytes = storage_bytes
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def follow(self, pickle: bytes) -> Any:
        """What the whole pickle would build."""
        end = 0
        for name, argument, place in _instructions(pickle):
            if name == "STOP":
                end = place + 1
                break
            self._do(name, argument)
        if end != len(pickle) or len(self._stack) != 1:
            refuse("its list of tensors does not end where it should")
        return self._stack[0]

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name == "PROTO":
            if argument != 2:
                refuse(f"its pickle has version {argument}, not 2")
        elif name == "GLOBAL":
            if argument not in _GLOBALS:
                refuse("it wants to run code that no table of tensors needs")
            stack.append(Name(argument))
        elif name == "BINUNICODE":
            if len(argument) > MAX_TEXT_LETTERS:
                refuse("it holds an overlong text")
            stack.append(argument)
        elif name in _NUMBERS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "EMPTY_DICT":
            stack.append(Table({}))
        elif name in _TUPLES:
            count = _TUPLES[name]
            parts = tuple(self._pop() for _ in range(count))[::-1]
            stack.append(parts)
        elif name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._top()
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self._memo:
                refuse("its list of tensors refers to nothing")
            stack.append(self._memo[argument])
        elif name == "BINPERSID":
            stack.append(self._storage(self._pop()))
        elif name == "REDUCE":
            arguments = self._pop()
            stack.append(self._called(self._pop(), arguments))
        elif name == "SETITEM":
            value = self._pop()
            self._set([self._pop(), value])
        elif name == "SETITEMS":
            self._set(self._to_mark())
        elif name == "BUILD":
            # A state dict of a module carries remarks (versions of its parts); they are dropped.
            self._pop()
            if not isinstance(self._top(), Table):
                refuse("it changes an object in a way that no table of tensors needs")
        else:
            refuse(f"it holds an instruction ({name}) that no table of tensors needs")

    def _called(self, called: Any, arguments: Any) -> Any:
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            refuse("it calls something that is no function")
        if called.text == _ORDERED and not arguments:
            return Table({})
        if called.text == _PARAMETER and len(arguments) == 3:
            if isinstance(arguments[0], TensorOutline):
                return arguments[0]
        elif called.text == _TENSOR and len(arguments) == 6:
            return _tensor(*arguments)
        return refuse("it builds a tensor in an unknown way")

    def _storage(self, id_: Any) -> Storage:
        if not isinstance(id_, tuple) or len(id_) != 5 or id_[0] != "storage":
            refuse("it refers to something outside the file")
        _, kind, key, _device, count = id_
        if not isinstance(kind, Name) or kind.text not in STORAGES:
            refuse("it holds numbers of an unusable type")
        dtype, item_bytes = STORAGES[kind.text]
        have = self._storage_bytes.get(key) if isinstance(key, str) else None
        if have is None or type(count) is not int or count * item_bytes != have:
            refuse("a tensor's numbers are missing or have another length than declared")
        return Storage(key, dtype, item_bytes, count)

    def _set(self, pairs: list[Any]) -> None:
        table = self._top()
        if not isinstance(table, Table) or len(pairs) % 2:
            refuse("it fills something that is no table")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str) or key in table.items:
                refuse("its table has a key twice, or one that is no text")
            table.items[key] = value

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            refuse("its list of tensors is damaged")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            refuse("its list of tensors is damaged")
        return self._stack[-1]

    def _to_mark(self) -> list[Any]:
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                found = self._stack[place + 1 :]
                del self._stack[place:]
                return found
        return refuse("its list of tensors is damaged")


def _tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _gradient: Any, _hooks: Any
) -> TensorOutline:
    numbers = (offset, *shape, *stride) if _both_tuples(shape, stride) else ()
    if not isinstance(storage, Storage) or not numbers:
        refuse("it builds a tensor in an unknown way")
    if any(type(value) is not int or not 0 <= value < 1 << 40 for value in numbers):
        refuse("a tensor has an impossible shape")
    dense = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    # A stride along an axis of length 1 says nothing.
    odd = [n for n, have, want in zip(shape, stride, dense, strict=False) if have != want and n > 1]
    if len(shape) != len(stride) or len(shape) > 8 or odd:
        refuse("a tensor's numbers do not lie one after the other")
    if math.prod(shape) < 1 or offset + math.prod(shape) > storage.count:
        refuse("a tensor reaches beyond its numbers, or has none")
    return TensorOutline(storage, offset, shape)


def _both_tuples(shape: Any, stride: Any) -> bool:
    return isinstance(shape, tuple) and isinstance(stride, tuple)


def _instructions(pickle: bytes) -> Iterator[tuple[str, Any, int]]:
    try:
        for number, (code, argument, place) in enumerate(pickletools.genops(pickle)):
            if number > MAX_INSTRUCTIONS:
                refuse("its list of tensors is too long")
            yield code.name, argument, int(place or 0)
    except (ValueError, EOFError, OverflowError, MemoryError, IndexError) as error:
        raise fault("its list of tensors is damaged") from error


def fault(what: str) -> ModelError:
    """The error of a pickle that is not accepted."""
    return ModelError(
        f"The checkpoint file is not accepted: {what}.",
        "Get it again from its source; nothing in it was run.",
        code="model.pickle",
    )


def refuse(what: str) -> NoReturn:
    """Raise `fault`."""
    raise fault(what)
