"""fMRIPrep derivatives: what belongs together is found by exact entities, never guessed. [N9]"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import AppError
from app.core.images import Image3D
from app.scans.dataset import contents_of
from app.scans.fmriprep import check_rows, match_run, read_mask, same_grid
from app.scans.volume import read_volume
from tests.unit.scans.nifti_files import AFFINE, SHAPE, body, header1, voxels, write

SPACE = "space-MNI152NLin2009cAsym"


def volume(path: Path, data: np.ndarray, **fields: object) -> Path:
    """A 3-D NIfTI-1 file."""
    shape = data.shape
    content = header1(shape, data.dtype.str[1:], dim=(3, *shape, 1, 1, 1, 1), **fields)
    path.write_bytes(content + b"\0" * 4 + body(data))
    return path


def make_run(func: Path, base: str, *, space: str = SPACE, desc: str = "preproc") -> Path:
    """Bold, mask, boldref and confounds of one run."""
    func.mkdir(parents=True, exist_ok=True)
    bold = write(func / f"{base}_{space}_desc-{desc}_bold.nii.gz")
    bold.with_name(f"{base}_{space}_desc-{desc}_bold.json").write_text(
        json.dumps({"RepetitionTime": 2.0})
    )
    inside = np.ones(SHAPE[:3], "u1")
    volume(func / f"{base}_{space}_desc-brain_mask.nii", inside)
    volume(func / f"{base}_{space}_boldref.nii", voxels("i2", SHAPE[:3]))
    table = "csf\n" + "1\n" * SHAPE[3]
    (func / f"{base}_desc-confounds_timeseries.tsv").write_text(table)
    return bold


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two runs of one person."""
    root = tmp_path / "fmriprep"
    func = root / "sub-01" / "ses-2" / "func"
    for run in ("1", "2"):
        make_run(func, f"sub-01_ses-2_task-rest_run-{run}")
    (root / "dataset_description.json").write_text(json.dumps({
        "DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0"}],
    }))  # fmt: skip
    return root


def bold_of(tree: Path, run: str = "1") -> Path:
    name = f"sub-01_ses-2_task-rest_run-{run}_{SPACE}_desc-preproc_bold.nii.gz"
    return tree / "sub-01" / "ses-2" / "func" / name


def test_that_each_run_gets_its_own_files(tree):
    for number in ("1", "2"):
        run = match_run(bold_of(tree, number))
        assert not run.faults and not run.question and not run.findings
        for path in (run.mask, run.boldref, run.confounds):
            assert path is not None and f"_run-{number}_" in path.name
        assert check_rows(run, SHAPE[3]) == []


def test_that_a_run_without_its_table_asks_and_the_other_loads(tree):
    """A single other table of the same person is offered, never taken."""
    func = bold_of(tree).parent
    (func / "sub-01_ses-2_task-rest_run-1_desc-confounds_timeseries.tsv").unlink()
    run = match_run(bold_of(tree))
    assert run.confounds is None and "choose one" in run.question
    assert [path.name for path in run.candidates] == [
        "sub-01_ses-2_task-rest_run-2_desc-confounds_timeseries.tsv"
    ]
    chosen = match_run(bold_of(tree), run.candidates[0])
    assert chosen.confounds == run.candidates[0] and not chosen.question
    assert match_run(bold_of(tree, "2")).question == ""
    rows = {choice.run: choice for choice in contents_of(tree).choices}
    assert rows["1"].question and rows["1"].confounds == run.candidates
    assert not rows["2"].question


def test_that_two_tables_that_fit_are_a_question(tree):
    func = bold_of(tree).parent
    (func / "sub-01_ses-2_task-rest_run-1_desc-confounds_regressors.tsv").write_text("csf\n1\n")
    run = match_run(bold_of(tree))
    assert run.confounds is None and len(run.candidates) == 2


@pytest.mark.parametrize(
    "entity", ["sub-02", "ses-3", "task-pain", "run-01", "acq-mb", "dir-AP", "rec-x"]
)
def test_that_one_entity_that_differs_is_no_match(tree, entity):
    """Each entity of the table's name changed in turn."""
    func = bold_of(tree).parent
    table = func / "sub-01_ses-2_task-rest_run-1_desc-confounds_timeseries.tsv"
    key = entity.partition("-")[0]
    parts = [part for part in table.name.split("_") if not part.startswith(f"{key}-")]
    table.rename(func / "_".join([*parts[:-2], entity, *parts[-2:]]))
    assert match_run(bold_of(tree)).confounds is None


@pytest.mark.parametrize(
    ("space", "desc", "code"),
    [
        (SPACE, "smoothAROMAnonaggr", "derivative.aroma"),
        (SPACE, "smooth", "derivative.smoothed"),
        (SPACE, "denoised", "derivative.kind"),
        ("space-T1w", "preproc", "derivative.native_space"),
        ("acq-x", "preproc", "derivative.native_space"),
        ("space-MNIPediatricAsym", "preproc", "derivative.space"),
        ("echo-2_" + SPACE, "preproc", "derivative.one_echo"),
    ],
)
def test_that_unfit_variants_are_refused_with_the_reason(tmp_path, space, desc, code):
    bold = make_run(tmp_path / "sub-01" / "func", "sub-01_task-rest", space=space, desc=desc)
    faults = match_run(bold).faults
    assert faults[0].code == code and faults[0].hint
    contents = contents_of(tmp_path / "sub-01")
    assert contents.choices[0].obstacle == faults[0].message


@pytest.mark.parametrize("lost", ["desc-brain_mask", "boldref"])
def test_that_partial_derivatives_are_refused_or_said(tree, lost):
    func = bold_of(tree).parent
    (func / f"sub-01_ses-2_task-rest_run-1_{SPACE}_{lost}.nii").unlink()
    run = match_run(bold_of(tree))
    if lost == "boldref":
        assert [finding.code for finding in run.findings] == ["derivative.boldref_missing"]
    else:
        assert [fault.code for fault in run.faults] == ["derivative.mask"]


def test_that_a_mask_of_another_resolution_is_no_match(tree):
    func = bold_of(tree).parent
    mask = func / f"sub-01_ses-2_task-rest_run-1_{SPACE}_desc-brain_mask.nii"
    mask.rename(func / f"sub-01_ses-2_task-rest_run-1_{SPACE}_res-2_desc-brain_mask.nii")
    assert match_run(bold_of(tree)).faults[0].code == "derivative.mask"


def test_that_a_label_that_differs_between_path_name_and_sidecar_is_refused(tree, tmp_path):
    moved = tmp_path / "other" / "sub-02" / "ses-2" / "func"
    bold = make_run(moved, "sub-01_ses-2_task-rest")
    assert match_run(bold).faults[0].code == "derivative.labels_differ"
    sidecar = bold_of(tree).with_name(bold_of(tree).name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({
        "RepetitionTime": 2.0,
        "Sources": ["bids:raw:sub-07/ses-2/func/sub-07_ses-2_task-rest_bold.nii.gz"],
    }))  # fmt: skip
    assert match_run(bold_of(tree)).faults[0].code == "derivative.labels_differ"


def test_that_another_number_of_rows_is_refused(tree):
    run = match_run(bold_of(tree))
    faults = check_rows(run, SHAPE[3] + 1)
    assert [fault.code for fault in faults] == ["derivative.confounds_rows"]
    assert "24 rows; the run has 25 volumes" in faults[0].message


def test_that_a_mask_on_another_grid_is_refused(tmp_path):
    small = volume(tmp_path / "m.nii", np.ones((7, 8, 8), "u1"))
    moved = volume(tmp_path / "n.nii", np.ones((7, 8, 9), "u1"), srow=(AFFINE + 0.1)[:3])
    good = volume(tmp_path / "o.nii", np.ones((7, 8, 9), "u1"))
    assert same_grid(read_mask(good, "x"), (7, 8, 9), AFFINE, "mask") == []
    for path in (small, moved):
        faults = same_grid(read_mask(path, "x"), (7, 8, 9), AFFINE, "mask")
        assert [fault.code for fault in faults] == ["derivative.other_grid"]


@pytest.mark.parametrize("values", [np.zeros((7, 8, 9), "u1"), voxels("u1", (7, 8, 9))])
def test_that_a_mask_that_is_none_is_refused(tmp_path, values):
    with pytest.raises(AppError) as caught:
        read_mask(volume(tmp_path / "m.nii", values), "x")
    assert caught.value.code == "derivative.mask"


def test_that_a_volume_keeps_values_scale_and_place(tmp_path):
    data = voxels("i2", (7, 8, 9))
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    path = volume(tmp_path / "v.nii", data, slope=0.5, intercept=3.0, srow=flipped[:3])
    read = read_volume(path, "there")
    assert isinstance(read, Image3D) and read.space == "there"
    assert np.array_equal(read.data, data[::-1] * 0.5 + 3.0)


@pytest.mark.parametrize("cut", [3, 100, 349, 400, -1])
def test_that_a_cut_volume_is_refused(tmp_path, cut):
    """[N3]"""
    path = volume(tmp_path / "v.nii", voxels("i2", (7, 8, 9)))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(AppError):
        read_volume(path, "x")


def test_that_a_volume_claiming_gigabytes_allocates_nothing(tmp_path):
    """[N1]"""
    path = volume(tmp_path / "v.nii", voxels("i2", (7, 8, 9)))
    raw = bytearray(path.read_bytes())
    raw[40:56] = header1((2000, 2000, 2000))[40:48] + raw[48:56]
    path.write_bytes(raw)
    with pytest.raises(AppError):
        read_volume(path, "x")
