"""The answer on a terminal: each thing is said once, in the signs of every other output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.cli import console
from app.cli.console import case_lines, print_error, progress_text
from app.cli.main import main
from app.core.progress import ProgressEvent
from app.core.results import Finding, Outcome, Severity
from app.scans.faults import Fault
from app.simulation.scanner import FAULTS
from tests.sample_case import sample_case


def test_that_an_inconclusive_answer_says_so_once() -> None:
    lines = case_lines(sample_case(Outcome.INCONCLUSIVE), Path("case"))
    text = "\n".join(lines)
    assert text.count("spans the cut-off") == 1
    assert "Cut-off 50 % (" in text
    assert "50%" not in text


@pytest.mark.parametrize("in_reason", ["", " Do that.", " Do that"])
def test_that_a_blocking_sentence_stands_once_with_its_hint(in_reason: str) -> None:
    case = sample_case(Outcome.WITHHELD)
    assert case.prediction is not None
    blocking = Finding("scan.odd", Severity.BLOCKING, "The scan is odd.", "Do that.")
    reasons = (f"Withheld: The scan is odd.{in_reason}",)
    case = replace(
        case,
        findings=(blocking, Finding("scan.other", Severity.NOTE, "Something else.")),
        prediction=replace(case.prediction, reasons=reasons),
    )
    lines = case_lines(case, Path("case"))
    told = [line.rstrip(".") for line in lines if "odd" in line]
    assert told == ["- Withheld: The scan is odd. Do that"]
    assert "Note: Something else." in lines


def test_that_a_missing_repetition_time_names_the_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_error(Fault("scan.tr_out_of_range", "It is 0 s.", "State it.").error())
    print_error(Fault("scan.empty", "The file is empty.").error())
    said = capsys.readouterr().err
    assert "State it. On the command line: --tr SECONDS." in said
    assert said.count("--tr") == 1


def test_that_a_long_stage_tells_a_line_a_minute_in_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    lines = console.StageLines()
    for step in range(13):  # every 30 s
        now += 30.0
        lines.show(ProgressEvent("people", 0, 1, step / 12, f"{step} of 12", 30.0 * step, None))
    told = capsys.readouterr().err.splitlines()
    assert [line.rsplit(": ")[1] for line in told] == [
        "0 of 12", "3 of 12", "6 of 12", "9 of 12", "12 of 12"
    ]  # fmt: skip


def test_that_progress_names_the_stage_in_words() -> None:
    event = ProgressEvent("steady_state", 1, 9, 0.35, "", 4.0, None)
    assert progress_text(event) == "[ 35 %] Steady state (2 of 9)"


def test_that_simulate_explains_seed_frames_and_every_fault(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("who is simulated", "volumes of each run", *FAULTS):
        assert words in text
