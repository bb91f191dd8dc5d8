"""A BIDS folder as a table: every run listed, odd names load, problems collected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.errors import AppError
from app.scans.contents import SourceKind
from app.scans.dataset import companion_findings, companions_of, contents_of, is_dataset
from app.scans.sources import contents_of as any_contents
from app.scans.sources import source_kind
from tests import dicom_files as dicom
from tests.unit.scans.nifti_files import write


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two people, one with two sessions, T1 and fieldmaps."""
    root = tmp_path / "study"
    for path in (
        "sub-01/ses-a/func/sub-01_ses-a_task-rest_run-1_bold.nii.gz",
        "sub-01/ses-a/func/sub-01_ses-a_task-rest_run-2_bold.nii.gz",
        "sub-01/ses-a/func/sub-01_ses-a_task-pain_bold.nii.gz",
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
        "sub-01/ses-a/fmap/sub-01_ses-a_phasediff.nii.gz",
        "sub-01/ses-a/fmap/sub-01_ses-a_magnitude1.nii.gz",
        "sub-01/ses-b/func/sub-01_ses-b_task-rest_bold.nii.gz",
        "sub-2/func/sub-2_task-restEyesOpen_echoes-3_bold.nii",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write(root / path)
    (root / "dataset_description.json").write_text("{}")
    (root / "task-rest_bold.json").write_text(json.dumps({"RepetitionTime": 2.5}))
    return root


def test_that_every_run_is_listed_with_participant_session_and_run(tree):
    rows = {choice.key: choice for choice in contents_of(tree).choices}
    assert len(rows) == 8
    one = rows["sub-01_ses-a_task-rest_run-2_bold"]
    assert (one.participant, one.session, one.run, one.kind) == ("sub-01", "ses-a", "2", "rest")
    assert one.repetition_time_s == 2.5  # inherited from the root
    assert (one.volumes, one.matrix) == (24, (7, 8, 9))
    assert rows["sub-01_ses-a_task-pain_bold"].kind == "bold"
    assert rows["sub-01_ses-a_T1w"].kind == "T1w" and not rows["sub-01_ses-a_T1w"].openable
    assert rows["sub-01_ses-a_phasediff"].kind == "fieldmap"
    assert "1 T1 and 2 fieldmap images" in one.reason


def test_that_odd_names_load_and_warn(tree):
    contents = contents_of(tree)
    odd = contents.find("sub-2_task-restEyesOpen_echoes-3_bold")
    assert odd is not None and odd.openable and odd.kind == "rest"
    assert "bids.odd_names" in {finding.code for finding in contents.findings}


def test_that_all_problems_are_told_together(tree):
    (tree / "dataset_description.json").unlink()
    folder = tree / "sub-03" / "func"
    folder.mkdir(parents=True)
    write(folder / "sub-04_task-rest_bold.nii")
    (folder / "sub-03_task-rest_bold.nii").write_bytes(b"no image")
    contents = contents_of(tree)
    codes = {finding.code for finding in contents.findings}
    assert codes == {"bids.no_description", "bids.odd_names", "bids.misplaced"}
    broken = contents.find("sub-03_task-rest_bold")
    assert broken is not None and broken.obstacle == "The file is not a NIfTI image."
    assert len([choice for choice in contents.choices if choice.openable]) == 6


def test_that_t1_images_and_fieldmaps_of_the_session_are_found(tree):
    func = tree / "sub-01" / "ses-a" / "func"
    bold = func / "sub-01_ses-a_task-pain_bold.nii.gz"
    assert [p.name for p in companions_of(bold).t1w] == ["sub-01_ses-a_T1w.nii.gz"]
    assert len(companions_of(bold).fieldmaps) == 2
    assert [f.code for f in companion_findings(bold)] == ["scan.fieldmap_not_applied"]
    other = tree / "sub-01" / "ses-b" / "func" / "sub-01_ses-b_task-rest_bold.nii.gz"
    assert [p.name for p in companions_of(other).t1w] == ["sub-01_ses-a_T1w.nii.gz"]
    assert companions_of(other).fieldmaps == () and companion_findings(other) == []


def test_that_one_persons_and_one_sessions_folder_open_too(tree):
    assert len(contents_of(tree / "sub-01").choices) == 7
    assert len(contents_of(tree / "sub-01" / "ses-b").choices) == 1


def test_that_derivatives_inside_are_pointed_at(tree):
    inner = tree / "derivatives" / "fmriprep"
    inner.mkdir(parents=True)
    (inner / "dataset_description.json").write_text(json.dumps({"DatasetType": "derivative"}))
    assert "bids.has_derivatives" in {finding.code for finding in contents_of(tree).findings}


def test_that_a_folder_without_runs_is_refused(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    assert is_dataset(tmp_path)
    with pytest.raises(AppError) as caught:
        contents_of(tmp_path)
    assert caught.value.code == "bids.no_runs"


def test_that_each_kind_of_path_leads_to_its_door(tree, tmp_path):
    assert source_kind(tree) is SourceKind.BIDS
    assert source_kind(tree / "sub-01") is SourceKind.BIDS
    bold = tree / "sub-01" / "ses-b" / "func" / "sub-01_ses-b_task-rest_bold.nii.gz"
    assert source_kind(bold) is SourceKind.NIFTI
    assert any_contents(bold).choices[0].path == bold
    derived = bold.with_name("sub-01_task-rest_space-T1w_desc-preproc_bold.nii.gz")
    write(derived)
    assert source_kind(derived) is SourceKind.DERIVATIVES
    series = tmp_path / "sub-01_task-rest_atlas-HCPEx_timeseries.tsv"
    series.write_text("1\t2\n")
    assert source_kind(series) is SourceKind.PARCELS
    protocol = dicom.Protocol(frames=20, slices=3)
    folder = dicom.save(dicom.mosaic(protocol, dicom.truth_voxels(protocol)), tmp_path / "dcm")
    assert source_kind(folder) is SourceKind.DICOM
    assert source_kind(folder / "IM00000") is SourceKind.DICOM
    assert any_contents(folder / "IM00000").choices[0].volumes == 20
    case = tmp_path / "case"
    case.mkdir()
    (case / "case.json").write_text("{}")
    assert source_kind(case) is SourceKind.CASE
    for name, content in (("a.txt", "words"), ("b.pdf", "%PDF"), ("participants.tsv", "x\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(AppError) as caught:
            source_kind(tmp_path / name)
        assert caught.value.code == "scan.unknown_kind"
    with pytest.raises(AppError):
        source_kind(tmp_path / "absent.nii")


def test_that_parcel_series_of_a_derivatives_folder_are_listed_with_or_without_runs(tree):
    """XCP-D writes them beside runs, or alone."""
    func = tree / "sub-01" / "ses-b" / "func"
    name = "sub-01_ses-b_task-rest_space-X_atlas-HCPEx_stat-mean_timeseries.tsv"
    (func / name).write_text("1\t2\n")
    (func / "sub-01_ses-b_task-rest_desc-confounds_timeseries.tsv").write_text("a\n1\n")
    contents = any_contents(tree)
    found = [choice for choice in contents.choices if choice.source is SourceKind.PARCELS]
    assert [choice.key for choice in found] == [name.removesuffix(".tsv")]
    assert contents.find(str(found[0].number)) == found[0]
    for path in tree.rglob("*.nii*"):
        path.unlink()
    alone = any_contents(tree)
    assert alone.kind is SourceKind.PARCELS
    assert [choice.path.name for choice in alone.candidates] == [name]
