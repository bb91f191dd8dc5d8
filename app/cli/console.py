"""What the command line prints: stages with fraction and time left, results, errors."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from app.core import wording
from app.core.conformal_wording import conformal_text
from app.core.errors import AppError
from app.core.progress import ProgressEvent, stage_words
from app.core.results import Case, Outcome, Prediction

# What stating the repetition time lifts.
_REPETITION_TIME = (
    "dicom.tr_conflict",
    "scan.tr_missing",
    "scan.tr_out_of_range",
    "scan.tr_placeholder",
)
QUIET_S = 60.0  # between lines of one stage, in a log


class StageLines:
    """Shows progress on standard error: one living line on a terminal; else a line a stage and,
    in long ones, a line a minute."""

    def __init__(self) -> None:
        self._stage = ""
        self._living = sys.stderr.isatty()
        self._width = 0
        self._told_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_fault: object) -> None:
        self.end()

    def show(self, event: ProgressEvent) -> None:
        """Tell where the work stands."""
        if self._living:
            line = progress_text(event)
            padding = " " * max(self._width - len(line), 0)
            print(f"\r{line}{padding}", end="", file=sys.stderr, flush=True)
            self._width = len(line)
        elif event.stage != self._stage or time.monotonic() - self._told_s > QUIET_S:
            print(progress_text(event), file=sys.stderr, flush=True)
            self._told_s = time.monotonic()
        self._stage = event.stage

    def end(self) -> None:
        """Leave the living line."""
        if self._living and self._width:
            print(file=sys.stderr)
            self._width = 0


def progress_text(event: ProgressEvent) -> str:
    """ "[ 35 %] Motion (2 of 9), about 12 s left"."""
    text = f"[{100 * event.fraction:3.0f} %] {stage_words(event.stage)}"
    if event.stage_count > 1:
        text += f" ({event.stage_index + 1} of {event.stage_count})"
    if event.message:
        text += f": {event.message}"
    if event.seconds_left is not None:
        text += f", about {event.seconds_left:.0f} s left"
    return text


def column_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equally many cells as lines whose columns stand under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def summary_pdf(case: Case, folder: Path) -> Path:
    """Where the participant summary of a case lies."""
    return folder / f"{case.stem()}_desc-summary.pdf"


def case_lines(case: Case, folder: Path) -> list[str]:
    """The answer as text: stamps, outcome, number or reasons, warnings, places."""
    lines = [*wording.case_stamps(case), wording.RUO_LINE, ""]
    prediction = case.prediction
    if prediction is None:
        lines.append("No prediction was made.")
    else:
        lines.append(wording.outcome_word(prediction.outcome))
        lines.append(wording.outcome_sentence(prediction))
        model = prediction.model
        if (
            wording.shows_number(prediction)
            and model is not None
            and prediction.probability is not None
            and prediction.interval is not None
        ):
            lines.append(wording.probability_text(prediction.probability, prediction.interval))
            lines.append(
                wording.cutoff_text(model)  # the sentence above says where the interval lies
                if prediction.outcome is Outcome.INCONCLUSIVE
                else wording.cutoff_sentence(prediction)
            )
            if model.interval_method:
                lines.append(f"Interval: {model.interval_method.rstrip('.')}.")
            lines.append(conformal_text(prediction))
            lines.append(wording.base_rate_text(model))
            lines.append(wording.question_text(model))
    reasons = _reasons(prediction)
    findings = []
    for finding in case.findings:
        hint = hint_text(finding.code, finding.hint)
        told = next((i for i, text in enumerate(reasons) if _says(text, finding.message)), None)
        if told is not None:  # said once, with what to do
            if hint.rstrip(" .") not in reasons[told]:
                reasons[told] = f"{reasons[told].rstrip('.')}. {hint}"
            continue
        word = wording.SEVERITY_WORDS[finding.severity]
        findings.append(f"{word}: {finding.message} {hint}".rstrip())
    lines += [*(f"- {reason}" for reason in reasons), *findings]
    lines += ["", f"Case folder: {folder}"]
    pdf = summary_pdf(case, folder)
    if pdf.is_file():
        lines.append(f"Summary PDF: {pdf}")
    return lines


def _reasons(prediction: Prediction | None) -> list[str]:
    """Why there is no number; an inconclusive answer has said so in its own sentence."""
    if prediction is None or prediction.outcome is Outcome.INCONCLUSIVE:
        return []
    return list(prediction.reasons)


def _says(reason: str, message: str) -> bool:
    return message.rstrip(".") in reason


def hint_text(code: str, hint: str) -> str:
    """What to do, with the option of the command line that does it."""
    if code in _REPETITION_TIME:
        return f"{hint} On the command line: --tr SECONDS.".lstrip()
    return hint


def print_error(error: AppError) -> None:
    """One message and, below it, what to do."""
    print(f"error: {error.message}", file=sys.stderr)
    hint = hint_text(error.code, error.hint)
    if hint:
        print(f"       {hint}", file=sys.stderr)
