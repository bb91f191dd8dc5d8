"""A quality verdict is overruled in research mode only, with a reason, and leaves traces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.analysis.override import override_reason, reason_used, research_allowed
from app.core.errors import AppError
from app.core.request import AnalysisRequest
from app.core.results import Case, Outcome, QualityReport, Verdict, overrides_quality
from app.reporting.html import write_html
from app.reporting.report import write_summary
from app.study.case_store import write_case
from app.study.database import open_index
from tests.sample_case import sample_case

PASSED = QualityReport((), Verdict.PASS, "t")
WITHHELD = QualityReport((), Verdict.WITHHELD, "t")


def _request(*, research: bool, reason: str = "") -> AnalysisRequest:
    return AnalysisRequest(Path("s.nii"), Path("out"), research=research, override_reason=reason)


def test_that_a_reason_counts_in_research_mode_only() -> None:
    assert override_reason(_request(research=False, reason="because")) == ""
    assert (
        override_reason(_request(research=True, reason=" pilot \n protocol ")) == "pilot protocol"
    )
    assert len(override_reason(_request(research=True, reason="x" * 900))) == 400


def test_that_a_withheld_quality_stands_without_a_reason() -> None:
    allowed, findings = research_allowed(_request(research=True), WITHHELD)
    assert not allowed
    assert [finding.code for finding in findings] == ["research.reason_needed"]
    assert research_allowed(_request(research=True, reason="pilot"), WITHHELD) == (True, ())
    assert research_allowed(_request(research=False, reason="pilot"), WITHHELD) == (False, ())


def test_that_research_mode_needs_no_reason_where_quality_allows_a_number() -> None:
    assert research_allowed(_request(research=True), PASSED) == (True, ())
    assert reason_used(_request(research=True, reason="pilot"), PASSED) == ""
    assert reason_used(_request(research=True, reason="pilot"), WITHHELD) == "pilot"


@pytest.fixture
def overruled() -> Case:
    case = sample_case(Outcome.RESULT)
    assert case.prediction is not None and case.quality is not None and case.provenance is not None
    return replace(
        case,
        quality=replace(case.quality, verdict=Verdict.WITHHELD),
        prediction=replace(case.prediction, outcome=Outcome.WITHHELD, research_only=True),
        provenance=replace(
            case.provenance,
            parameters={**case.provenance.parameters, "override_reason": "pilot protocol"},
        ),
    )


def test_that_an_overruled_case_gets_no_summary_by_any_way(overruled: Case, tmp_path: Path) -> None:
    assert overrides_quality(overruled)
    for write, name in ((write_summary, "s.pdf"), (write_html, "s.html")):
        with pytest.raises(AppError, match="overruled"):
            write(overruled, tmp_path, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_that_the_audit_log_names_the_override_and_only_a_hash_of_the_reason(
    overruled: Case, tmp_path: Path
) -> None:
    folder = write_case(overruled, tmp_path / "out")
    with open_index(tmp_path / "study") as index:
        index.record(overruled, folder)
        index.verify()
        rows = index._connection.execute("SELECT action, object, outcome FROM audit").fetchall()
    assert [row[0] for row in rows] == ["create", "override"]
    assert rows[1][1] == overruled.case_id
    assert rows[1][2].startswith("reason-sha256:")
    assert "pilot" not in str(rows)
