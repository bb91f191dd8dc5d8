"""fMRIPrep's confound tables: exact values, known gaps, and what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import AppError
from app.scans.fmriprep_table import read_confounds

REGRESSORS = ("trans_x_derivative1", "csf")


def write(path, text):
    path.write_text(text)
    return path


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
