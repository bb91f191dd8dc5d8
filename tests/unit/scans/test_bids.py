"""Names, sidecars and tables: inherited by the rules, odd values told, no names kept."""

from __future__ import annotations

import json

import pytest

from app.scans.bids import (
    clean_label,
    entities_of,
    participant_of,
    read_sidecar,
    read_sidecar_checked,
    space_of,
)
from tests.unit.scans.nifti_files import write

NAME = "sub-01_ses-2_task-rest_bold"


@pytest.fixture
def dataset(tmp_path):
    """A BIDS dataset with one run and sidecars on three levels."""
    root = tmp_path / "study"
    func = root / "sub-01" / "ses-2" / "func"
    func.mkdir(parents=True)
    (root / "dataset_description.json").write_text("{}")
    (root / "task-rest_bold.json").write_text(
        json.dumps({"RepetitionTime": 3.0, "TaskName": "rest", "Manufacturer": "Maker"})
    )
    (root / "sub-01" / "sub-01_bold.json").write_text(json.dumps({"EchoTime": 0.03}))
    (root / "sub-01" / "sub-02_bold.json").write_text(json.dumps({"EchoTime": 9}))
    (root / "task-pain_bold.json").write_text(json.dumps({"RepetitionTime": 9}))
    (func / f"{NAME}.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    write(func / f"{NAME}.nii.gz")
    return root


def scan_of(root):
    return root / "sub-01" / "ses-2" / "func" / f"{NAME}.nii.gz"


def test_that_entities_come_from_the_name():
    assert entities_of("sub-01_ses-2_task-rest_space-MNI152NLin6Asym_desc-preproc_bold") == {
        "sub": "01",
        "ses": "2",
        "task": "rest",
        "space": "MNI152NLin6Asym",
        "desc": "preproc",
        "suffix": "bold",
    }
    assert entities_of("John Smith resting") == {}


def test_that_sidecars_are_inherited_and_the_nearest_wins(dataset):
    assert read_sidecar(scan_of(dataset)) == {
        "RepetitionTime": 2.0,
        "TaskName": "rest",
        "Manufacturer": "Maker",
        "EchoTime": 0.03,
    }


def test_that_nothing_above_the_dataset_root_is_read(dataset):
    (dataset.parent / "task-rest_bold.json").write_text(json.dumps({"Outside": 1}))
    assert "Outside" not in read_sidecar(scan_of(dataset))


@pytest.mark.parametrize("content", ["{", "[1]", "\0\0", '{"a":' + "[" * 100_000])
def test_that_a_damaged_sidecar_is_a_finding(dataset, content):
    scan_of(dataset).with_name(f"{NAME}.json").write_text(content)
    sidecar, findings = read_sidecar_checked(scan_of(dataset))
    assert sidecar["RepetitionTime"] == 3.0
    assert [finding.code for finding in findings] == ["scan.sidecar_damaged"]


def test_that_scan_facts_come_from_the_sidecar(dataset, load):
    loaded = load(scan_of(dataset))
    assert loaded.scan.repetition_time_source == "sidecar"
    assert loaded.scan.task == "rest"
    assert loaded.scan.scanner == "Maker"
    assert loaded.scan.simulated is False


@pytest.mark.parametrize(
    ("value", "simulated"),
    [
        ("NeuroResponder app.simulation 0.1.0", True),
        ("not NeuroResponder app.simulation", False),
        ("", False),
        (True, False),
    ],
)
def test_that_only_our_simulator_makes_a_scan_simulated(tmp_path, load, value, simulated):
    path = write(tmp_path / "run.nii")
    (tmp_path / "run.json").write_text(json.dumps({"SimulatedBy": value}))
    assert load(path).scan.simulated is simulated


def test_that_participant_facts_come_from_the_table(dataset):
    (dataset / "participants.tsv").write_text(
        "participant_id\tage\tsex\tbaseline_pain\tsite\nsub-02\t30\tM\t1\tA\nsub-01\t61.5\tf\t6\tB\n"
    )
    facts = participant_of(scan_of(dataset))
    assert (facts.label, facts.session, facts.task) == ("sub-01", "ses-2", "rest")
    assert (facts.age_years, facts.sex, facts.baseline_pain, facts.site) == (61.5, "F", 6.0, "B")
    assert facts.findings == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_that_the_wrong_delimiter_is_understood(dataset, delimiter):
    rows = [["participant_id", "age"], ["sub-01", "44"]]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows)
    (dataset / "participants.tsv").write_text(text, encoding="utf-8")
    assert participant_of(scan_of(dataset)).age_years == 44.0


@pytest.mark.parametrize(
    ("row", "odd"),
    [
        ("n/a\tn/a\tn/a", 0),
        ("89+\tF\t5", 1),
        ("-4\tX\t11", 3),
        ("nan\tF\tlots", 1),
        ("inf\t\t1e400", 2),
        ("30", 0),
    ],
)
def test_that_odd_values_are_told_and_not_used(dataset, row, odd):
    (dataset / "participants.tsv").write_text(
        f"participant_id\tage\tsex\tbaseline_pain\nsub-01\t{row}\n"
    )
    facts = participant_of(scan_of(dataset))
    assert [f.code for f in facts.findings] == ["scan.participants_odd_value"] * odd
    assert facts.age_years in (None, 30.0)


def test_that_rows_of_sessions_are_told_apart_and_contradictions_not_used(dataset):
    table = dataset / "participants.tsv"
    table.write_text("participant_id\tsession_id\tage\nsub-01\tses-1\t40\nsub-01\tses-2\t41\n")
    assert participant_of(scan_of(dataset)).age_years == 41.0
    table.write_text("participant_id\tage\nsub-01\t40\nsub-01\t41\n")
    facts = participant_of(scan_of(dataset))
    assert facts.age_years is None
    assert [finding.code for finding in facts.findings] == ["scan.participants_ambiguous"]


def test_that_no_name_of_a_person_becomes_a_label(tmp_path):
    assert participant_of(tmp_path / "John_Smith_1970.nii.gz").label == "sub-unnamed"
    odd = clean_label("sub", "../Jörg Müller")
    assert odd.startswith("sub-")
    assert len(odd) == 12
    assert "rg" not in odd.replace("sub-", "")


def test_that_a_known_space_is_taken_and_an_unknown_one_told(tmp_path):
    known = tmp_path / "sub-1_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    assert space_of(known) == ("MNI152NLin2009cAsym", [])
    space, findings = space_of(tmp_path / "sub-1_space-T1w_bold.nii.gz")
    assert space == "scanner"
    assert [finding.code for finding in findings] == ["scan.space_unknown"]
    assert space_of(tmp_path / "sub-1_bold.nii.gz") == ("scanner", [])
