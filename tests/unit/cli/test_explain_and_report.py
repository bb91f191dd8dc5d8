"""`explain`, `report` and `verify REPORT.pdf`: what they print and what they refuse."""

from __future__ import annotations

import shutil
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli import explain, report, verify
from app.cli.command import UsageError
from app.cli.main import main
from app.core.progress import Progress
from app.core.results import Case
from app.reporting.report import write_summary
from app.study.case_store import read_case, write_case
from app.worker.protocol import Job
from app.worker.report_jobs import REPORT_JOBS
from tests.sample_case import FIRST_FRAME, FRAMES, sample_case
from tests.unit.reporting.small_case import small_case, write_view


@pytest.fixture(scope="module")
def judged() -> Case:
    return sample_case(health=True)


def test_that_the_text_says_what_the_window_says(judged: Case) -> None:
    lines = explain.explanation_lines(judged)
    text = "\n".join(lines)
    for needed in (
        "SIMULATED PERSON",
        "Research use only",
        "not a cause of response",
        "Stability:",
        "Models with random weights (2): similarity +0.11",
        "too similar: shows the input",
        "Token order",
        "The scan has the model's own 2 s.",
        "Largest regions",
        "Fusiform",
    ):
        assert needed in text, needed
    for word in ("responsible", "drives", "pain centre", "significant"):
        assert word not in text


def test_that_unstable_regions_are_not_listed(judged: Case) -> None:
    assert judged.health is not None
    everything = np.zeros_like(judged.health.stability)
    bare = replace(judged, health=replace(judged.health, stability=everything))
    assert "Largest regions" not in "\n".join(explain.explanation_lines(bare))


def test_that_frames_are_counted_as_in_the_file_and_say_how_coarse_they_are(judged: Case) -> None:
    found = judged.attribution
    assert found is not None
    patched = replace(judged, attribution=replace(found, patch_frames=20))
    lines = explain.frame_lines(patched, 40, 60)
    assert "frames 40 to 60 (first = 0)" in lines[0]
    assert "patches of 20 frames (40 s)" in lines[0]
    assert len(lines) == 11
    for first, last in ((FIRST_FRAME - 1, 20), (10, FIRST_FRAME + FRAMES)):
        with pytest.raises(UsageError) as refusal:
            explain.frame_lines(judged, first, last)
        assert refusal.value.code == "cli.frames"


@pytest.mark.parametrize("text", ["60-40", "a-b", "4", "-3-5", "1-2-3"])
def test_that_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        explain.frame_range(text)
    assert explain.frame_range("40-60") == (40, 60)


def test_that_a_scan_needs_a_folder_for_its_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = tmp_path / "scan.nii"
    scan.write_bytes(b"x")
    assert main(["explain", str(scan)]) == 2
    assert "--out" in capsys.readouterr().err


# --- reports -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cases")
    write_view(place / "made")
    files = {f"view/{path.name}": path for path in (place / "made" / "view").iterdir()}
    write_case(replace(small_case(), motion=None), place / "all", files=files)
    return place / "all"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done in this process."""

    def do(job: Job) -> dict[str, Any]:
        work: Callable[..., dict[str, Any]] = REPORT_JOBS[job.name]
        return work(job.arguments, Progress())

    for module in (explain, report, verify):
        monkeypatch.setattr(module, "in_worker", do)


def test_that_case_folders_are_found_below_a_folder_and_named_once(
    cases: Path, tmp_path: Path
) -> None:
    (folder,) = [path for path in cases.iterdir() if not path.name.startswith(".")]
    assert report.case_folders([cases, folder]) == [folder.absolute()]
    with pytest.raises(UsageError):
        report.case_folders([tmp_path])


@pytest.mark.usefixtures("here")
def test_that_the_count_says_what_was_written_and_what_stood_already() -> None:
    rows = [
        {"trouble": "", "stood": False},
        {"trouble": "", "stood": True},
        {"trouble": "It broke.", "stood": False},
    ]
    assert report.count_text(rows[:1]) == "1 written, 0 not."
    assert report.count_text(rows) == "1 written, 1 already there and unchanged, 1 not."


def test_that_report_writes_and_verify_compares(
    cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = Path(shutil.copytree(cases, tmp_path / "cases"))
    assert main(["report", str(copied), "--out", str(tmp_path / "cases" / "pdf"), "--html"]) == 0
    assert "1 written, 0 not." in capsys.readouterr().out
    (pdf,) = (copied / "pdf").glob("*.pdf")
    assert main(["verify", str(pdf)]) == 0
    assert "file by file" in capsys.readouterr().out
    (folder,) = [path.parent for path in copied.glob("*/case.json")]
    (folder / "view" / "labels.npy").write_bytes(b"other")
    assert main(["verify", str(pdf)]) == 1
    assert "ALTERED: Changed or missing in the case folder: view/labels.npy" in (
        capsys.readouterr().out
    )


@pytest.mark.usefixtures("here")
def test_that_a_report_without_its_case_says_how_to_compute_it_again(
    cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = [path.parent for path in cases.glob("*/case.json")]
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    pdf = write_summary(read_case(folder), folder, place / "summary.pdf")
    assert main(["verify", str(pdf)]) == 1
    assert "--scan FILE --out DIR" in capsys.readouterr().out
    assert main(["verify", str(pdf), "--scan", str(pdf)]) == 2  # no place for the result


@pytest.mark.usefixtures("here")
def test_that_a_case_without_a_number_is_not_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_case(sample_case("withheld"), tmp_path)
    assert main(["explain", str(folder), "--health"]) == 1
    assert "shows no number" in capsys.readouterr().err
