"""A participant who moved far too much gets a case that says so, not an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

from app.analysis import analyse
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case, Outcome, Verdict
from app.simulation.participant import simulate_participant
from app.simulation.scanner import small_participant
from app.study.case_store import verify_case


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path]:
    settings = small_participant(3, fault="strong_motion")
    short = replace(settings, cohort=replace(settings.cohort, frames=70))
    out = tmp_path_factory.mktemp("moved")
    bold = simulate_participant(short, out / "dataset").paths.bold
    case = analyse(AnalysisRequest(bold, out, threads=2), Progress())
    return case, out / case.case_id


def test_that_strong_motion_is_withheld_with_its_reason(moved: tuple[Case, Path]) -> None:
    case, folder = moved
    verify_case(folder)
    assert case.prediction is not None
    assert case.quality is not None
    assert case.prediction.outcome is Outcome.WITHHELD
    assert case.prediction.probability is None
    assert case.attribution is None
    failed = {m.name for m in case.quality.metrics if m.verdict is Verdict.WITHHELD}
    assert {"mean_fd_power_mm", "flagged_percent", "residual_degrees_of_freedom"} <= failed
    assert any("framewise displacement" in reason for reason in case.prediction.reasons)
    assert "scan.too_few_good_frames" in {finding.code for finding in case.findings}
    reasons = " ".join(case.prediction.reasons)
    assert "free of head motion" in reasons
    assert "not covered" not in reasons  # every parcel is empty, and coverage is not why


def test_that_nothing_is_made_up_where_nothing_could_be_cleaned(
    moved: tuple[Case, Path],
) -> None:
    case, folder = moved
    assert case.signals is not None
    assert case.connectome is not None
    assert np.isfinite(case.signals.raw).all()  # what was measured is there
    assert np.isnan(case.signals.cleaned).all()
    assert np.isnan(case.connectome.matrix).all()
    assert len(np.load(folder / "view" / "carpet_rows.npy")) == case.signals.raw.shape[1]
    (pdf,) = folder.glob("*_desc-summary.pdf")
    text = " ".join(page.extract_text() for page in PdfReader(pdf).pages)
    assert "Withheld" in text
    assert "free of head motion" in " ".join(text.split())
