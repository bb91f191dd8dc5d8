"""Each named normalisation against values worked out by hand or by plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.errors import ModelError
from app.models.normalisation import NORMALISATIONS, find_normalisation
from app.models.parcel_statistics import ParcelStatistics, fitted_statistics, read_statistics

SERIES = np.array([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]])  # 3 frames, 2 parcels
TABLE = ParcelStatistics(
    {
        "median": np.array([0.5, -2.0]),
        "iqr": np.array([2.0, 4.0]),
        "p01": np.array([-1.0, -1.5]),
        "p99": np.array([1.0, 1.5]),
        "minimum": np.array([0.0, 10.0]),
        "maximum": np.array([10.0, 50.0]),
    },
    "by hand",
    "",
)
DEMEANED = [[-2.0, -10.0], [-1.0, 10.0], [3.0, 0.0]]
BY_HAND = {
    "raw": SERIES,
    "demean": DEMEANED,
    "demean_gsd": np.array(DEMEANED) / 41.44047,
    "demean_p99": np.array(DEMEANED) / 111.13143061224855,
    "minmax_scan": (SERIES - 1.0) / 29.0,
    "minmax_scan_parcel": [[0.0, 0.0], [0.2, 1.0], [1.0, 0.5]],
    "minmax_all": SERIES / 50.0,
    "minmax_parcel_all": [[0.1, 0.0], [0.2, 0.5], [0.6, 0.25]],
    # subtract the scan's mean first, then (x - median) / IQR; not x - median / IQR
    "robust_pop": [[-1.25, -2.0], [-0.75, 3.0], [1.25, 0.5]],
    "robust_pop_clip": [[-1.0, -1.5], [-0.75, 1.5], [1.0, 0.5]],
    "robust_cohort": [[-1.25, -2.0], [-0.75, 3.0], [1.25, 0.5]],
    # parcel 1: quartiles of -2, -1, 3 are -1.5, -1, 1; parcel 2: of -10, 0, 10 are -5, 0, 5
    "robust_scan": [[-0.4, -1.0], [0.0, 1.0], [1.6, 0.0]],
}


@pytest.mark.parametrize("name", [entry.name for entry in NORMALISATIONS])
def test_that_every_normalisation_is_the_formula_worked_out_by_hand(name: str) -> None:
    entry = find_normalisation(name)
    np.testing.assert_allclose(entry.apply(SERIES, TABLE), BY_HAND[name], rtol=1e-12)
    assert entry.centred == (name.startswith(("demean", "robust")))


@pytest.mark.parametrize("entry", NORMALISATIONS, ids=lambda entry: entry.name)
def test_that_a_table_is_asked_for_exactly_where_it_is_needed(entry) -> None:
    if not entry.statistics:
        entry.apply(SERIES, None)
        return
    with pytest.raises(ModelError) as caught:
        entry.apply(SERIES, None)
    assert caught.value.code == "model.statistics"
    for column in entry.statistics:
        rest = {key: value for key, value in TABLE.columns.items() if key != column}
        with pytest.raises(ModelError, match=column):
            entry.apply(SERIES, ParcelStatistics(rest, "", ""))


@pytest.mark.parametrize("name", ["", "robust", "zscore"])
def test_that_there_is_no_default_and_no_other_name(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_normalisation(name)
    assert "robust_scan" in caught.value.hint


def test_that_a_parcel_without_spread_is_refused_by_robust_scan() -> None:
    flat = SERIES.copy()
    flat[:, 1] = 7.0
    with pytest.raises(ModelError, match="1 parcels have no spread"):
        find_normalisation("robust_scan").apply(flat, None)


def test_that_fitted_statistics_are_those_of_plain_loops_over_the_training_people() -> None:
    rng = np.random.default_rng(3)
    people = [50 + rng.standard_normal((frames, 3)) * [1, 5, 9] for frames in (40, 57)]
    found = fitted_statistics(people)
    for parcel in range(3):
        pooled = np.concatenate([p[:, parcel] - p[:, parcel].mean() for p in people])
        low, median, high = np.percentile(pooled, [25, 50, 75])
        assert found.columns["median"][parcel] == pytest.approx(median)
        assert found.columns["iqr"][parcel] == pytest.approx(high - low)
        robust = (pooled - median) / (high - low)
        assert found.columns["p99"][parcel] == pytest.approx(np.percentile(robust, 99))
        assert found.columns["maximum"][parcel] == max(p[:, parcel].max() for p in people)
    other = fitted_statistics([people[0]])
    assert other.columns["iqr"][0] != found.columns["iqr"][0]


def _write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_that_a_table_is_read_in_the_order_of_the_series(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.tsv", "parcel\tmedian\tiqr\tremark", "A\t0.5\t2\tx", "B\t-2\t4\ty")
    table = read_statistics(path, ("A", "B"), 2)
    np.testing.assert_array_equal(table.columns["median"], [0.5, -2.0])
    assert set(table.columns) == {"median", "iqr"}
    assert len(table.sha256) == 64
    with pytest.raises(ModelError, match="parcel 'B'"):
        read_statistics(path, ("B", "A"), 2)


@pytest.mark.parametrize(
    "lines",
    [
        ("median\tiqr", "1\t2"),  # one row for two parcels
        ("median\tiqr", "1\t2", "1\t0"),
        ("median\tiqr", "1\t2", "nan\t1"),
        ("median\tiqr", "1\t2", "one\t1"),
        ("median\tiqr", "1\t2", "1"),
        ("minimum\tmaximum", "1\t2", "3\t3"),
        ("mean\tsd", "1\t2", "1\t2"),
        ("median\tiqr", '1\t"2', "1\t2"),
    ],
)
def test_that_a_table_that_cannot_be_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        read_statistics(_write(tmp_path / "t.tsv", *lines), (), 2)
    assert caught.value.code == "model.statistics"


def test_that_a_missing_or_foreign_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.tsv").write_bytes(b"\xff\xfe\x00")
    for name in ("none.tsv", "binary.tsv"):
        with pytest.raises(ModelError):
            read_statistics(tmp_path / name, (), 2)
