"""The command line: exit codes, help, one message for a mistake, no traceback."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.analysis import opening
from app.cli import console, demo, predict, verify, work
from app.cli.commands import COMMANDS
from app.cli.main import main
from app.core.errors import CancelledError, ScanError
from app.core.logs import log_file
from app.core.progress import ProgressEvent
from app.core.request import AnalysisRequest
from app.core.results import Outcome
from app.core.wording import RESEARCH_STAMP, RUO_LINE, SIMULATED_STAMP
from app.study.case_store import update_case, write_case
from app.study.database import open_index
from app.worker.process import Worker
from tests.sample_case import sample_case


class FakeWindow:
    def __init__(self, obstacle: str = "") -> None:
        self._obstacle = obstacle
        self.opened: list[list[str]] = []

    def obstacle(self) -> str:
        return self._obstacle

    def open(self, paths: list[str]) -> int:
        self.opened.append(paths)
        return 0


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "sub-demo_task-rest_bold.nii.gz"
    path.write_bytes(b"not read here")
    return path


@pytest.fixture
def requests_seen(monkeypatch: pytest.MonkeyPatch) -> list[AnalysisRequest]:
    """Instead of the recipe: writes a sample case and remembers what was asked."""
    seen: list[AnalysisRequest] = []

    def analyse(request: AnalysisRequest, *, in_process: bool = False) -> Path:
        seen.append(request)
        outcome = Outcome.RESULT if request.scan_path.suffix == ".gz" else Outcome.WITHHELD
        case = sample_case(outcome, attribution=False)
        folder = write_case(case, request.out_dir, replace=True)
        return update_case(folder, case, {f"{case.stem()}_desc-summary.pdf": b"%PDF-1.7"})

    for module in (predict, demo, verify):
        monkeypatch.setattr(module, "run_analysis", analyse)
    return seen


@pytest.mark.parametrize("words", [["--help"], ["--version"], *[[c.name, "-h"] for c in COMMANDS]])
def test_that_every_help_ends_well(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out


def test_that_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    text = capsys.readouterr().out
    assert all(command.name in text for command in COMMANDS)
    assert RUO_LINE in " ".join(text.split())


@pytest.mark.parametrize(
    "words",
    [
        ["fly"], ["predict"], ["predict", "x.nii"], ["predict", "none.nii", "--out", "o"],
        ["predict", "{scan}", "--out", "o", "--tr", "0"],
        ["predict", "{scan}", "--out", "o", "--tr", "nan"],
        ["predict", "{scan}", "--out", "o", "--tr", "2000"],
        ["predict", "{scan}", "--out", "o", "--participant", "../Jane Doe"],
        ["predict", "{scan}", "--out", "o", "--device", "tpu"],
        ["predict", "{scan}", "--out", "o", "--override-reason", "without research mode"],
        ["predict", "{scan}", "--out", "o", "--t1", "none.nii.gz"],
        ["predict", "{scan}", "--out", "o", "--threads", "-1"],
        ["predict", "{scan}", "--out", "o", "--censor", "40-"],
        ["simulate", "--cohort", "0"], ["open", "none.nii"],
    ],
)  # fmt: skip
def test_that_a_users_mistake_is_exit_code_2_and_one_message(
    words: list[str], scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(scan=scan) for word in words]) == 2
    error = capsys.readouterr().err
    assert "error:" in error
    assert "Traceback" not in error


def test_that_predict_prints_number_interval_stamp_and_places(
    scan: Path, tmp_path: Path, requests_seen: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(scan), "--out", str(tmp_path / "out"), "--tr", "2", "--seed", "3"]
    words += ["--participant", "07", "--research", "--no-attribution", "--threads", "2"]
    words += ["--t1", str(scan), "--override-reason", " pilot ", "--no-cache", "--write-mni-bold"]
    words += ["--censor", "41-42,7"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert SIMULATED_STAMP in text
    assert RUO_LINE in text
    assert "71 %" in text
    assert "58" in text
    assert "82" in text
    assert "_desc-summary.pdf" in text
    (request,) = requests_seen
    assert (request.participant_label, request.repetition_time_s, request.seed) == ("sub-07", 2, 3)
    assert (request.research, request.attribution, request.threads) == (True, False, 2)
    assert (request.t1_path, request.override_reason) == (scan, "pilot")
    assert (request.stage_cache, request.write_mni_bold) == (False, True)
    assert request.censored_frames == (7, 41, 42)


def test_that_withheld_is_an_answer_with_reasons_and_without_a_number(
    tmp_path: Path, requests_seen: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.nii"
    path.touch()
    assert main(["predict", str(path), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "Withheld" in text
    assert "0.71 mm" in text
    assert "%" not in text


def test_that_a_number_against_a_gate_is_stamped(tmp_path: Path) -> None:
    case = sample_case(Outcome.RESULT)
    assert case.prediction is not None
    forced = replace(case.prediction, outcome=Outcome.WITHHELD, research_only=True)
    lines = console.case_lines(replace(case, prediction=forced), tmp_path)
    assert RESEARCH_STAMP in lines


def test_that_study_reuses_the_participant_of_a_scan(
    scan: Path, tmp_path: Path, requests_seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "scan_sha256", lambda request: "9f" * 32)
    words = ["predict", str(scan), "--out", str(tmp_path / "out"), "--study"]
    assert main(words) == 0
    assert main(words) == 0
    first, second = requests_seen
    assert first.participant_uuid == ""
    assert second.participant_uuid == sample_case(Outcome.RESULT).participant.uuid
    with open_index() as index:
        assert len(index.recent_cases()) == 1


def test_that_without_study_no_index_is_made(
    scan: Path, tmp_path: Path, requests_seen: list[Any], isolated_home: Path
) -> None:
    assert main(["predict", str(scan), "--out", str(tmp_path / "out")]) == 0
    assert not (isolated_home / "data").exists()


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (ScanError("The file is cut off.", "Copy it again.", code="scan.x"), 1, "Copy it again."),
        (CancelledError("Motion"), 130, "Cancelled"),
        (KeyboardInterrupt(), 130, "Cancelled"),
        (RuntimeError("/home/jane/x.nii"), 1, "unexpectedly"),
    ],
)
def test_that_every_fault_is_a_message_and_an_exit_code(
    scan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    fault: BaseException, code: int, said: str,
) -> None:  # fmt: skip
    def fail(*_arguments: object, **_named: object) -> Path:
        raise fault

    monkeypatch.setattr(predict, "run_analysis", fail)
    assert main(["predict", str(scan), "--out", "o"]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert "jane" not in error
    if isinstance(fault, RuntimeError):
        assert "jane" not in log_file().read_text()


def test_that_no_command_opens_the_window(scan: Path) -> None:
    window = FakeWindow()
    assert main([], window) == 0
    assert main(["open", str(scan)], window) == 0
    assert window.opened == [[], [str(scan)]]


@pytest.mark.parametrize("window", [None, FakeWindow("There is no display.")])
def test_that_without_a_window_the_way_out_is_named(
    window: FakeWindow | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], window) == 2
    assert "predict" in capsys.readouterr().err


class FakePerson:
    class paths:  # noqa: N801 - stands for an attribute
        bold = Path("/simulated/sub-0000_task-rest_bold.nii.gz")


@pytest.mark.parametrize(
    ("words", "obstacle", "opens"),
    [([], "", True), ([], "There is no display.", False), (["--headless"], "", False)],
)
def test_that_the_demonstration_opens_its_result_where_it_can(
    tmp_path: Path, requests_seen: list[Any], monkeypatch: pytest.MonkeyPatch,
    words: list[str], obstacle: str, opens: bool, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(demo, "simulated_person", lambda seed, out: FakePerson)
    window = FakeWindow(obstacle)
    assert main(["demo", "--out", str(tmp_path), *words], window) == 0
    assert len(window.opened) == opens
    assert "Case folder:" in capsys.readouterr().out


@pytest.mark.parametrize("left", [None, 12.4])
def test_that_progress_names_stage_fraction_and_time_left(left: float | None) -> None:
    event = ProgressEvent("Motion", 1, 9, 0.35, "frame 3", 4.0, left)
    text = console.progress_text(event)
    assert text.startswith("[ 35 %] Motion (2 of 9): frame 3")
    assert ("12 s left" in text) == (left is not None)


def test_that_the_work_runs_in_the_worker_process(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(work, "Worker", partial(Worker, "tests.unit.worker.fake_jobs:JOBS"))
    request = AnalysisRequest(scan_path=scan, out_dir=tmp_path / "out")
    assert work.run_analysis(request) == tmp_path / "out" / "folder"
    assert "] Open (1 of 3)" in capsys.readouterr().err
    with pytest.raises(ScanError):
        work.run_analysis(replace(request, seed=13))


def test_that_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys; import app.cli.main; "
        "heavy = {'torch', 'ants', 'nilearn', 'numba', 'PySide6', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
