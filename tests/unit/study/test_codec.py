"""Everything that a result may hold comes back equal, and nothing else can be stored."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.arrays import Floats
from app.core.results import Case
from app.study.codec import decode, encode


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    number: float
    count: int
    flag: bool
    text: str


@dataclass(frozen=True, slots=True)
class Outer:
    inner: Inner
    many: tuple[Inner, ...]
    pair: tuple[int, float]
    maybe: float | None
    colour: Colour
    place: Path
    named: dict[str, float]
    anything: dict[str, object]
    array: Floats | None = None


def round_trip(value: Any) -> Any:
    arrays: dict[str, Any] = {}
    text = json.dumps(encode(value, arrays), allow_nan=False)
    return decode(type(value), json.loads(text), arrays)


def same(left: Any, right: Any) -> bool:
    """Equality in which NaN equals NaN, -0.0 is not 0.0 and arrays count bit by bit."""
    if type(left) is not type(right):
        return False
    if is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, np.ndarray):
        return bool(
            left.dtype == right.dtype
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
        )
    if isinstance(left, float):
        return np.float64(left).tobytes() == np.float64(right).tobytes() or (
            math.isnan(left) and math.isnan(right)
        )
    if isinstance(left, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[k], right[k]) for k in left)
    return bool(left == right)


inner = st.builds(Inner, st.floats(), st.integers(), st.booleans(), st.text())
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    leaves,
    lambda some: (
        st.lists(some, max_size=3)
        | st.lists(some, max_size=3).map(tuple)
        | st.dictionaries(st.text(), some, max_size=3)
    ),
    max_leaves=8,
)
outer = st.builds(
    Outer,
    inner,
    st.lists(inner, max_size=3).map(tuple),
    st.tuples(st.integers(), st.floats()),
    st.none() | st.floats(),
    st.just(Colour.RED),
    st.sampled_from([Path("a/b"), Path("."), Path("/x y/ü")]),
    st.dictionaries(st.text(), st.floats(), max_size=3),
    st.dictionaries(st.text(), anything, max_size=3),
)


@given(outer)
def test_that_every_scalar_comes_back_equal(value: Outer) -> None:
    assert same(round_trip(value), value)


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2", "|i1", ">i2", "<u8", "|b1"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3, 5)])
def test_that_arrays_come_back_bit_by_bit_and_read_only(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    raw = rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)
    array = np.frombuffer(raw, dtype="u1").view(dtype).reshape(shape)
    if dtype == "|b1":
        array = np.asarray(array.view("u1") % 2 == 1)
    value = Outer(Inner(1.0, 2, True, ""), (), (1, 2.0), None, Colour.RED, Path("a"), {}, {}, array)
    back = round_trip(value)
    assert same(back.array, array)
    assert not back.array.flags.writeable


def test_that_a_whole_case_comes_back_equal(full_case: Case) -> None:
    assert same(round_trip(full_case), full_case)


@pytest.mark.parametrize("value", [object(), {1: 2}, {1, 2}, np.array([object()])])
def test_that_unknown_kinds_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value, {}, "here")


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"number": "1", "count": 1, "flag": True, "text": ""},
        {"number": 1.0, "count": True, "flag": True, "text": ""},
        {"number": 1.0, "count": 1, "flag": 1, "text": ""},
        {"number": 1.0, "count": 1, "flag": True, "text": "", "extra": 1},
        {"number": 1.0},
    ],
)
def test_that_data_of_another_shape_are_refused(data: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        decode(Inner, data, {})
