"""Parcel series of others: order proven by names, time never guessed, one error each."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from app.core.errors import AppError
from app.core.results import Severity
from app.scans.parcel_series import looks_like_series, read_parcel_series

NAMES = ("V1_L", "V2_L", "M1_R", "A1_R", "S1_R")
ATLASES = {"Toy": NAMES}
VALUES = np.random.default_rng(5).normal(100, 2, (26, 5)).round(6)
STEM = "sub-01_task-rest_atlas-Toy_stat-mean_timeseries"


def table(values=VALUES, names=NAMES, mark="\t"):
    lines = [mark.join(names)] if names else []
    lines += [mark.join("n/a" if np.isnan(v) else repr(float(v)) for v in row) for row in values]
    return "\n".join(lines) + "\n"


def read(path, **options):
    return read_parcel_series(path, ATLASES, **{"stated_repetition_time_s": 2.0, **options})


@pytest.mark.parametrize(("ending", "mark"), [("tsv", "\t"), ("csv", ","), ("csv", ";")])
def test_that_a_table_with_names_keeps_its_exact_values(tmp_path, ending, mark):
    path = tmp_path / f"{STEM}.{ending}"
    path.write_text(table(mark=mark))
    series = read(path)
    assert np.array_equal(series.values, VALUES) and series.atlas == "Toy"
    assert series.findings == () and series.present.all()


def test_that_columns_in_another_order_are_put_in_order_by_name(tmp_path):
    path = tmp_path / f"{STEM}.tsv"
    order = [3, 0, 4, 1, 2]
    path.write_text(table(VALUES[:, order], [NAMES[i] for i in order]))
    series = read(path)
    assert np.array_equal(series.values, VALUES)
    assert [finding.code for finding in series.findings] == ["series.reordered"]


def test_that_missing_parcels_are_said(tmp_path):
    path = tmp_path / f"{STEM}.tsv"
    holed = VALUES.copy()
    holed[:, 1] = np.nan
    path.write_text(table(holed[:, :4], NAMES[:4]))
    series = read(path)
    assert series.present.tolist() == [True, False, True, True, False]
    assert [finding.code for finding in series.findings] == ["series.parcels_missing"]


@pytest.mark.parametrize(
    "header", [(), ("1", "2", "3", "4", "5"), [f"Parcel_{n}" for n in range(1, 6)]]
)
def test_that_an_order_that_nothing_proves_blocks_the_number(tmp_path, header):
    path = tmp_path / f"{STEM}.tsv"
    path.write_text(table(names=header))
    series = read(path)
    assert np.array_equal(series.values, VALUES)
    assert [finding.severity for finding in series.findings] == [Severity.BLOCKING]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", "<i4"])
def test_that_an_array_of_either_orientation_loads(tmp_path, order, kind):
    values = VALUES.astype(kind)
    for name, array in (("a", values), ("b", values.T)):
        path = tmp_path / f"{name}_atlas-Toy.npy"
        np.save(path, np.asarray(array, order=order))
        assert np.array_equal(read(path).values, values.astype(float))


def test_that_a_pandas_index_column_is_left_out(tmp_path):
    path = tmp_path / f"{STEM}.csv"
    indexed = np.column_stack([np.arange(26), VALUES])
    path.write_text(table(indexed, ("", *NAMES), ","))
    assert np.array_equal(read(path).values, VALUES)


def test_that_sidecar_and_user_state_the_repetition_time(tmp_path):
    path = tmp_path / f"{STEM}.tsv"
    path.write_text(table())
    with pytest.raises(AppError) as caught:
        read(path, stated_repetition_time_s=None)
    assert caught.value.code == "scan.tr_missing"
    path.with_suffix(".json").write_text(json.dumps({
        "RepetitionTime": 0.8, "QualityMetrics": {"temporal_snr": 44, "x": "y"},
    }))  # fmt: skip
    series = read(path, stated_repetition_time_s=None)
    assert (series.repetition_time_s, series.repetition_time_source) == (0.8, "sidecar")
    assert series.stated_quality == {"temporal_snr": 44.0}
    assert read(path).repetition_time_source == "user"
    path.with_suffix(".json").write_text(json.dumps({"SamplingFrequency": 1.25}))
    assert read(path, stated_repetition_time_s=None).repetition_time_s == 0.8
    with pytest.raises(AppError) as caught:
        read(path, stated_repetition_time_s=2000.0)
    assert caught.value.code == "scan.tr_out_of_range"


def saved(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("x.tsv", table(), "series.no_atlas"),
        ("x_atlas-Other.tsv", table(), "series.unknown_atlas"),
        ("x_atlas-Toy.tsv", table(names=("A", *NAMES[1:])), "series.unknown_parcels"),
        ("x_atlas-Toy.tsv", table(VALUES[:, :4], ()), "series.shape"),
        ("x_atlas-Toy.tsv", table(VALUES[:19]), "scan.too_few_volumes"),
        ("x_atlas-Toy.tsv", table(np.where(VALUES > 103, np.nan, VALUES)), "series.holes"),
        ("x_atlas-Toy.tsv", table(np.where(np.arange(5) == 2, 1.0, VALUES)), "series.constant"),
        ("x_atlas-Toy.tsv", table(VALUES * np.nan), "series.empty"),
        ("x_atlas-Toy.npy", saved(VALUES[:5, :].repeat(1, 0)[:, :5]), "series.shape"),
        ("x_atlas-Toy.npy", saved(VALUES[:, :4]), "series.shape"),
        ("x_atlas-Toy.npy", saved(VALUES[..., None]), "series.array"),
        ("x_atlas-Toy.npy", saved(VALUES.astype(complex)), "series.array"),
        ("x_atlas-Toy.npy", saved(VALUES.astype(object), allow_pickle=True), "series.array"),
        ("x_atlas-Toy.npy", saved(VALUES)[:-8], "series.damaged"),
        ("x_atlas-Toy.npy", saved(VALUES) + b"more", "series.damaged"),
        ("x_atlas-Toy.npy", b"\x93NUMPY\x09\x00" + saved(VALUES)[8:], "series.damaged"),
        ("x_atlas-Toy.npy", b"nothing", "series.damaged"),
        ("x_atlas-Toy.npy", saved(np.where(VALUES > 103, np.inf, VALUES)), "series.not_finite"),
    ],
)  # fmt: skip
def test_that_what_cannot_be_trusted_is_refused(tmp_path, name, content, code):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(AppError) as caught:
        read(path)
    assert caught.value.code == code
    assert name not in str(caught.value) and caught.value.message


def test_that_an_array_header_claiming_gigabytes_allocates_nothing(tmp_path):
    """[N1]"""
    content = saved(VALUES).replace(b"(26, 5)", b"(2**9, 5)"[:7])
    path = tmp_path / "x_atlas-Toy.npy"
    path.write_bytes(content)
    with pytest.raises(AppError):
        read(path)
    path.write_bytes(saved(VALUES).replace(b"(26, 5), ", b"(99999999999, 5), "[:9]))
    with pytest.raises(AppError):
        read(path)


def test_that_confounds_and_participants_are_no_series(tmp_path):
    for name, wanted in (
        ("sub-01_task-rest_desc-confounds_timeseries.tsv", False),
        ("participants.tsv", False),
        ("sub-01_task-rest_events.tsv", False),
        ("mine.csv", True),
        ("mine.npy", True),
        (f"{STEM}.tsv", True),
        ("notes.txt", False),
    ):
        assert looks_like_series(tmp_path / name) is wanted
