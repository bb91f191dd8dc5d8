"""Visits of a BIDS folder: one row each, by names alone, and the table's values with units."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.scans.participants import read_participants
from app.scans.visits import Visit, list_visits

SIXTH, ASYMMETRIC = "MNI152NLin6Asym", "MNI152NLin2009cAsym"


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no image is opened")


def _table(root: Path, *rows: str, described: dict[str, object] | None = None) -> None:
    (root / "participants.tsv").write_text("\n".join(row.replace(" ", "\t") for row in rows))
    if described is not None:
        (root / "participants.json").write_text(json.dumps(described))


def _by_key(root: Path, **more: object) -> dict[str, Visit]:
    return {visit.key: visit for visit in list_visits(root, **more).visits}  # type: ignore[arg-type]


def test_that_every_visit_is_a_row_and_what_cannot_be_analysed_says_why(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "sub-01/func/sub-01_task-rest_bold.nii.gz",
        "sub-02/ses-1/func/sub-02_ses-1_task-rest_run-1_bold.nii.gz",
        "sub-02/ses-1/func/sub-02_ses-1_task-rest_run-2_bold.nii.gz",
        "sub-02/ses-2/func/sub-02_ses-2_task-pain_bold.nii.gz",
        "sub-03/func/sub-03_task-rest_echo-1_bold.nii.gz",
        "sub-03/func/sub-03_task-rest_echo-2_bold.nii.gz",
        "sub-04/func/sub-05_task-rest_bold.nii.gz",
        "sub-06/func/sub-06_task-rest_bold.nii",
        "sub-06/func/sub-06_task-rest_bold.nii.gz",
    )
    _table(tmp_path, "participant_id age", "sub-01 40", "sub-07 50")
    rows = _by_key(tmp_path)
    assert {key: row.code for key, row in rows.items()} == {
        "sub-01_task-rest": "",
        "sub-02_ses-1_task-rest_run-1": "",
        "sub-02_ses-1_task-rest_run-2": "",
        "sub-02_ses-2": "cohort.no_rest",
        "sub-03_task-rest": "cohort.echoes",
        "sub-04_task-rest": "cohort.misplaced",
        "sub-06_task-rest": "cohort.several_files",
        "sub-07": "cohort.no_images",
    }
    assert all(bool(row.obstacle) == (row.scan_path is None) for row in rows.values())
    assert rows["sub-01_task-rest"].age_years == 40.0
    assert rows["sub-01_task-rest"].in_table
    assert not rows["sub-03_task-rest"].in_table


def test_that_labels_sessions_and_task_choose(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz",
        "sub-01/ses-b/func/sub-01_ses-b_task-rest_bold.nii.gz",
        "sub-02/ses-a/func/sub-02_ses-a_task-pain_bold.nii.gz",
    )
    assert list(_by_key(tmp_path, participants=["sub-01"], sessions=["b"])) == [
        "sub-01_ses-b_task-rest"
    ]
    assert list(_by_key(tmp_path, participants=["02"], task="pain")) == ["sub-02_ses-a_task-pain"]
    assert _by_key(tmp_path, participants=["09"])["sub-09"].code == "cohort.no_images"


def test_that_the_run_in_the_wanted_template_is_taken(tmp_path: Path) -> None:
    stem = "sub-01/func/sub-01_task-rest_space-"
    _touch(tmp_path, *(f"{stem}{space}_desc-preproc_bold.nii.gz"
                       for space in ("T1w", SIXTH, ASYMMETRIC)))  # fmt: skip
    for template in (SIXTH, ASYMMETRIC):
        visit = _by_key(tmp_path, template=template)["sub-01_task-rest"]
        assert visit.scan_path is not None
        assert template in visit.scan_path.name
    _touch(tmp_path, "sub-02/func/sub-02_task-rest_space-T1w_desc-preproc_bold.nii.gz")
    assert _by_key(tmp_path)["sub-02_task-rest"].code == "cohort.no_template_run"


@pytest.mark.parametrize(
    ("described", "age", "pain"),
    [
        ({}, 30.0, 6.0),
        ({"age": {"Units": "months"}}, 2.5, 6.0),
        ({"age": {"Units": "fortnights"}}, None, 6.0),
        ({"baseline_pain": {"Units": "mm, 0-100"}}, 30.0, 0.6),
        ({"baseline_pain": {"Maximum": 100}}, 30.0, 0.6),
        ({"baseline_pain": {"Maximum": 20}}, 30.0, None),
    ],
)
def test_that_values_are_taken_in_the_unit_that_is_stated(
    tmp_path: Path, described: dict[str, object], age: float | None, pain: float | None
) -> None:
    _touch(tmp_path, "sub-01/func/sub-01_task-rest_bold.nii.gz")
    _table(tmp_path, "participant_id age baseline_pain", "sub-01 30 6", described=described)
    visit = _by_key(tmp_path)["sub-01_task-rest"]
    assert visit.age_years == (None if age is None else pytest.approx(age))
    assert visit.baseline_pain == (None if pain is None else pytest.approx(pain))
    found = list_visits(tmp_path)
    assert bool(found.findings) == bool(described)
    assert set(found.units) == {"age", "baseline_pain"}


def test_that_a_scale_that_the_values_contradict_is_not_used(tmp_path: Path) -> None:
    _touch(tmp_path, "sub-01/func/sub-01_task-rest_bold.nii.gz")
    _table(tmp_path, "participant_id baseline_pain", "sub-01 8", "sub-02 71", "sub-03 55")
    assert _by_key(tmp_path)["sub-01_task-rest"].baseline_pain is None


def test_that_duplicate_and_missing_ids_are_told_and_not_used(tmp_path: Path) -> None:
    _touch(tmp_path, "sub-01/func/sub-01_task-rest_bold.nii.gz",
           "sub-02/func/sub-02_task-rest_bold.nii.gz")  # fmt: skip
    _table(tmp_path, "participant_id age", "sub-01 40", "01 50", "sub-02 60", "sub-02 60", "\t70")
    found = list_visits(tmp_path)
    assert [f.code for f in found.findings] == [
        "scan.participants_nameless", "scan.participants_duplicate",
    ]  # fmt: skip
    assert "sub-01" in found.findings[1].message
    ages = {visit.participant: visit.age_years for visit in found.visits}
    assert ages == {"sub-01": None, "sub-02": 60.0}
    (tmp_path / "participants.tsv").write_text("name\tage\nsub-01\t40\n")
    assert [f.code for f in list_visits(tmp_path).findings] == ["scan.participants_no_id"]


def test_that_arm_and_drug_of_the_table_stay_with_the_visit(tmp_path: Path) -> None:
    _touch(tmp_path, "sub-01/func/sub-01_task-rest_bold.nii.gz")
    _table(tmp_path, "participant_id drug arm time_point", "sub-01 duloxetine active 3-months")
    visit = _by_key(tmp_path)["sub-01_task-rest"]
    assert visit.stated == ("duloxetine", "active", "3-months", "")
    assert read_participants(tmp_path / "participants.tsv").columns == (
        "participant_id", "drug", "arm", "time_point",
    )  # fmt: skip
