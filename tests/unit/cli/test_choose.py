"""Series and runs from the command line: the table, the choice, one message for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import predict, work
from app.cli.main import main
from app.core.request import AnalysisRequest
from tests import dicom_files as dicom
from tests.unit.scans.nifti_files import write
from tests.unit.scans.test_dicom import three_series


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[AnalysisRequest]:
    """Requests that would be analysed."""
    requests: list[AnalysisRequest] = []

    def stop(request: AnalysisRequest, *, in_process: bool = False) -> Path:
        requests.append(request)
        raise SystemExit(0)

    monkeypatch.setattr(predict, "run_analysis", stop)
    return requests


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "study"
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    (root / "dataset_description.json").write_text("{}")
    for run in ("1", "2"):
        write(func / f"sub-01_task-rest_run-{run}_bold.nii")
    return root


def ask(*words: str) -> int:
    return main(["predict", *words, "--in-process"])


def test_that_the_list_shows_every_series_and_writes_nothing(tmp_path, capsys):
    folder = three_series(tmp_path / "dicom")
    assert ask(str(folder), "--list") == 0
    text = capsys.readouterr().out
    for words in ("rest_bold", "6x7x4", "2.1", "2024-05-17", "localiser", "T1w",
                  "Name one with --series NUMBER"):  # fmt: skip
        assert words in text
    assert "Mustermann" not in text and dicom.ROOT not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dicom"]


def test_that_a_series_reaches_the_recipe(tmp_path, seen):
    folder = three_series(tmp_path / "dicom")
    with pytest.raises(SystemExit):
        ask(str(folder), "--out", str(tmp_path / "o"), "--series", "5")
    assert (seen[0].scan_path, seen[0].series) == (folder, "5")


def test_that_a_run_is_taken_by_name_or_number_and_never_guessed(dataset, tmp_path, seen, capsys):
    out = str(tmp_path / "o")
    assert ask(str(dataset), "--out", out) == 2
    assert "2 runs" in capsys.readouterr().err
    assert ask(str(dataset), "--out", out, "--run", "sub-09_bold") == 2
    assert "No run has this name" in capsys.readouterr().err
    for word in ("2", "sub-01_task-rest_run-2_bold"):
        with pytest.raises(SystemExit):
            ask(str(dataset), "--out", out, "--run", word)
        assert seen[-1].scan_path.name == "sub-01_task-rest_run-2_bold.nii"
    assert ask(str(dataset), "--list") == 0
    assert "--run NUMBER" in capsys.readouterr().out


def test_that_plain_scans_of_a_folder_are_listed_or_the_only_one_is_opened(tmp_path, seen, capsys):
    folder = tmp_path / "plain"
    folder.mkdir()
    write(folder / "run.nii")
    with pytest.raises(SystemExit):
        ask(str(folder), "--out", str(tmp_path / "o"))
    assert seen[-1].scan_path == folder / "run.nii"
    write(folder / "second.nii")
    assert ask(str(folder), "--list") == 0
    text = capsys.readouterr().out
    assert "run.nii" in text
    assert "--run NUMBER" in text
    with pytest.raises(SystemExit):
        ask(str(folder), "--out", str(tmp_path / "o"), "--run", "2")
    assert seen[-1].scan_path == folder / "second.nii"


def test_that_confounds_and_atlas_are_passed_on(dataset, tmp_path, seen, capsys):
    scan = dataset / "sub-01" / "func" / "sub-01_task-rest_run-1_bold.nii"
    table = tmp_path / "c.tsv"
    table.write_text("a\n1\n")
    with pytest.raises(SystemExit):
        ask(str(scan), "--out", "o", "--confounds", str(table), "--atlas", "HCPEx")
    assert seen[0].confounds_path == table and seen[0].atlas == "HCPEx"
    assert ask(str(scan), "--out", "o", "--confounds", str(tmp_path / "no.tsv")) == 2
    assert ask(str(scan)) == 2
    assert "--out" in capsys.readouterr().err


def test_that_the_worker_lists_the_same_as_this_process(dataset):
    """Through the pipe and back."""
    (dataset / "task-rest_bold.json").write_text(json.dumps({"RepetitionTime": 2.25}))
    here, there = work.look(dataset, in_process=True), work.look(dataset)
    assert here == there
    assert [choice.repetition_time_s for choice in there.choices] == [2.25, 2.25]
