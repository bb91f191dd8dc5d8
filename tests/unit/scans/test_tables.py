"""Tables of others: exact numbers, or one typed error; never a silent NaN."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import AppError
from app.scans.fmriprep_table import read_confounds
from app.scans.tables import read_numbers, row_count

REGRESSORS = ("trans_x_derivative1", "csf")


def write(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_that_numbers_are_read_exactly(tmp_path, mark, end):
    lines = ["a|b|c", "1|2.5e-3|n/a", "-4|1e300|0"]
    text = end.join(line.replace("|", mark) for line in lines) + end
    table = read_numbers(write(tmp_path / "t.tsv", "\ufeff" + text))
    assert table.header == ("a", "b", "c")
    assert np.array_equal(table.values, [[1, 2.5e-3, np.nan], [-4, 1e300, 0]], equal_nan=True)
    assert row_count(tmp_path / "t.tsv") == 2


def test_that_a_table_without_names_is_known_by_its_first_row(tmp_path):
    table = read_numbers(write(tmp_path / "t.csv", "1,2\n3,4\n"))
    assert table.header == () and table.values.tolist() == [[1, 2], [3, 4]]


def test_that_only_wanted_columns_must_hold_numbers(tmp_path):
    path = write(tmp_path / "t.tsv", "a\tb\n1\tx\n2\ty\n")
    assert read_numbers(path, wanted=["a", "absent"]).header == ("a",)
    with pytest.raises(AppError) as caught:
        read_numbers(path)
    assert caught.value.code == "table.not_a_number"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "table.damaged"),
        ("a\tb\n", "table.damaged"),
        ("a\ta\n1\t2\n", "table.doubled_column"),
        ("a\tb\n1\n", "table.damaged"),
        ("a\tb\n1\t2\t3\n", "table.damaged"),
        ("a\tb\n1\tinf\n", "table.not_a_number"),
        ("a\tb\n1\t1_000\n", "table.not_a_number"),
        ("a\tb\n1\t1,5\n", "table.not_a_number"),
        (b"\xff\xfe\x00a", "table.damaged"),
        ("a\tb\n1\t\0\n", "table.damaged"),
        ('a\tb\n"1\t2\n', "table.damaged"),
    ],
)
def test_that_damaged_tables_are_refused(tmp_path, content, code):
    """[N9]"""
    path = write(tmp_path / "t.tsv", content)
    with pytest.raises(AppError) as caught:
        read_numbers(path)
    assert caught.value.code == code
    assert "t.tsv" not in str(caught.value)


def confounds(rows=30, **changes):
    """A small table in fMRIPrep's manner."""
    random = np.random.default_rng(2)
    columns = {name: random.normal(0, 0.01, rows) for name in (
        "csf", "white_matter", "global_signal", "std_dvars", "framewise_displacement", "rmsd",
        "trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "trans_x_derivative1",
        "cosine00",
    )}  # fmt: skip
    columns.update(changes)
    columns = {name: values for name, values in columns.items() if values is not None}
    names = list(columns)
    first_unknown = {"std_dvars", "framewise_displacement", "rmsd", "trans_x_derivative1"}
    lines = ["\t".join([*names, "a_text"])]
    for row in range(rows):
        cells = [
            "n/a" if row == 0 and name in first_unknown else repr(float(columns[name][row]))
            for name in names
        ]
        lines.append("\t".join([*cells, "text"]))
    return "\n".join(lines) + "\n", columns


def test_that_confounds_keep_their_values_and_their_first_gaps(tmp_path):
    """[N9] ``n/a`` in the first row is what fMRIPrep writes."""
    text, columns = confounds()
    table, first = read_confounds(write(tmp_path / "c.tsv", text), 30, REGRESSORS)
    assert first == 0
    assert np.array_equal(table["trans_x"], columns["trans_x"])
    assert np.isnan(table["framewise_displacement"][0])
    assert np.array_equal(table["rmsd"][1:], columns["rmsd"][1:])
    assert "cosine00" in table and "a_text" not in table


def test_that_leading_volumes_marked_by_fmriprep_are_left_out(tmp_path):
    marks = {f"non_steady_state_outlier{index:02d}": np.eye(30)[index] for index in range(3)}
    text, _ = confounds(**marks)
    assert read_confounds(write(tmp_path / "c.tsv", text), 30, REGRESSORS)[1] == 3


@pytest.mark.parametrize(
    ("changes", "volumes", "code"),
    [
        ({}, 31, "derivative.confounds_rows"),
        ({}, 29, "derivative.confounds_rows"),
        ({"csf": None}, 30, "derivative.confounds_columns"),
        ({"framewise_displacement": None}, 30, "derivative.confounds_columns"),
        ({"trans_y": np.r_[np.nan, np.zeros(29)]}, 30, "derivative.confounds_holes"),
        ({"csf": np.r_[np.zeros(9), np.nan, np.zeros(20)]}, 30, "derivative.confounds_holes"),
        ({"rmsd": np.r_[0, np.nan, np.zeros(28)]}, 30, "derivative.confounds_holes"),
        ({"rot_x": np.full(30, 2.0)}, 30, "derivative.rotation_unit"),
    ],
)
def test_that_a_table_that_does_not_fit_is_refused(tmp_path, changes, volumes, code):
    """[N9] Rows, columns, holes, degrees for radians."""
    path = write(tmp_path / "c.tsv", confounds(**changes)[0])
    with pytest.raises(AppError) as caught:
        read_confounds(path, volumes, REGRESSORS)
    assert caught.value.code == code
