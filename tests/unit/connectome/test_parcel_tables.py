"""Files of parcel series: what they state is read, what they do not state is not guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.connectome.parcel_tables import read_coordinates, read_series
from app.core.errors import ScanError
from app.core.provenance import file_sha256

ARRAYS = {"signals": np.arange(24.0).reshape(2, 3, 4), "xyz": np.arange(9).reshape(3, 3)}


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ScanError) as caught:
        read_series(path)
    assert caught.value.hint
    return caught.value.code


def test_that_a_table_is_frames_by_parcels_with_names_atlas_and_sidecar(tmp_path: Path) -> None:
    path = table(
        tmp_path / "sub-01_task-rest_atlas-HCPEx_timeseries.tsv",
        "A\tB\tC",
        "1\tn/a\t3",
        "4\tn/a\t6",
    )
    path.with_suffix(".json").write_text(json.dumps({"SamplingFrequency": 0.5}))
    found = read_series(path)
    np.testing.assert_array_equal(found.series, [[[1, np.nan, 3], [4, np.nan, 6]]])
    assert found.parcel_names == ("A", "B", "C")
    assert (found.atlas, found.repetition_time_s) == ("HCPEx", 2.0)
    assert found.coordinates_mm is None
    assert found.sha256 == file_sha256(path)


@pytest.mark.parametrize(
    ("sidecar", "expected"),
    [
        ({"RepetitionTime": 2.5}, 2.5),
        ({"RepetitionTime": "2.5"}, None),
        ({"RepetitionTime": True}, None),
        ({"SamplingFrequency": 0}, None),
        ([2.5], None),
    ],
)
def test_that_a_repetition_time_is_a_number_or_unknown(
    tmp_path: Path, sidecar: Any, expected: float | None
) -> None:
    path = table(tmp_path / "plain.tsv", "A\tB", "1\t2")
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    found = read_series(path)
    assert found.repetition_time_s == expected
    assert found.atlas == ""


@pytest.mark.parametrize(
    "lines",
    [
        ("A\tB",),  # no frames
        ("1\t2", "3\t4"),  # no names
        ("A\tA", "3\t4"),
        ("A\t", "3\t4"),
        ("A\tB", "3"),
        ("A\tB", "3\t4\t5"),
        ("A\tB", "3\tfour"),
        ("A\tB", "3\tinf"),
        ("A\tB", '3\t"4'),
    ],
)
def test_that_a_table_that_cannot_be_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert refusal(table(tmp_path / "t.tsv", *lines)) == "series.table"


def test_that_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.tsv").write_bytes(b"\xff\xfe\x00\x80")
    assert refusal(tmp_path / "binary.tsv") == "series.table"
    assert refusal(tmp_path / "none.tsv") == "series.missing"
    assert refusal(table(tmp_path / "series.csv", "A,B", "1,2")) == "series.kind"
    assert refusal(table(tmp_path / "text.npz", "no zip")) == "series.arrays"


def test_that_arrays_turn_to_frames_by_parcels_and_state_what_they_state(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "s.npz", **ARRAYS, repetition_time_s=0.8, atlas="A424",
        parcel_names=np.array(["a", "b", "c"]),
    )  # fmt: skip
    found = read_series(tmp_path / "s.npz")
    assert found.series.shape == (2, 4, 3)
    np.testing.assert_array_equal(found.series[1, :, 2], [20, 21, 22, 23])
    assert found.coordinates_mm is not None
    np.testing.assert_array_equal(found.coordinates_mm[1], ARRAYS["xyz"])
    assert (found.atlas, found.repetition_time_s) == ("A424", 0.8)
    assert found.parcel_names == ("a", "b", "c")


@pytest.mark.parametrize(
    "change",
    [
        {"signals": np.zeros((3, 4))},
        {"signals": np.zeros((2, 3, 0))},
        {"signals": np.full((2, 3, 4), np.inf)},
        {"signals": np.array([[["x"] * 4] * 3] * 2)},
        {"xyz": np.zeros((4, 3))},
        {"xyz": np.zeros((1, 3, 3))},
        {"parcel_names": np.array(["a"])},
        {"repetition_time_s": np.zeros(2)},
        {"signals": np.array([[[None] * 4] * 3] * 2, dtype=object)},  # a pickle inside
    ],
)
def test_that_arrays_that_cannot_be_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    np.savez(tmp_path / "s.npz", **{**ARRAYS, **change})
    assert refusal(tmp_path / "s.npz") == "series.arrays"


def test_that_missing_arrays_are_refused(tmp_path: Path) -> None:
    for name in ARRAYS:
        np.savez(tmp_path / "s.npz", **{k: v for k, v in ARRAYS.items() if k != name})
        assert refusal(tmp_path / "s.npz") == "series.arrays"


@pytest.mark.parametrize(
    "lines",
    [
        ("1\t2\t3", "-4\t5\t6"),
        ("x\ty\tz", "1\t2\t3", "-4\t5\t6"),
        ("1\t1\t2\t3\r", "2\t-4\t5\t6"),  # numbered, as atlases do
        ("name\tX\tY\tZ", "A\t1\t2\t3", "B\t-4\t5\t6"),
        ("A,1,2,3", "B,-4,5,6"),
        ("1 2  3", " -4 5 6"),
    ],
)
def test_that_coordinates_come_from_the_usual_tables(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    found = read_coordinates(table(tmp_path / "xyz.txt", *lines), ("A", "B"))
    np.testing.assert_array_equal(found, [[1, 2, 3], [-4, 5, 6]])


@pytest.mark.parametrize(
    "lines",
    [
        ("",),
        ("1\t2", "3\t4"),
        ("y\tx\tz", "1\t2\t3", "4\t5\t6"),
        ("1\t2\t3", "4\t5\tsix"),
        ("1\t2\t3", "9\t4\t5\t6"),
        ("1\t1\t2\t3", "3\t4\t5\t6"),  # numbers 1, 3
        ("B\t1\t2\t3", "A\t4\t5\t6"),  # not the order of the series
    ],
)
def test_that_other_coordinates_are_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(ScanError) as caught:
        read_coordinates(table(tmp_path / "xyz.txt", *lines), ("A", "B"))
    assert caught.value.code == "series.coordinates"
