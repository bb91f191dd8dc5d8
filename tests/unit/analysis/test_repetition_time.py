"""The repetition time in the quality table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.analysis.repetition_time import with_repetition_time
from app.core.results import Finding, QualityReport, Severity, Verdict
from tests.unit.models.conftest import mini_scan

DISPUTED = Finding("scan.tr_disagrees", Severity.WARNING, "2 s and 3 s")
OTHER = Finding("scan.tr_unit", Severity.NOTE, "no unit")


@pytest.mark.parametrize(
    ("seconds", "model", "findings", "expected"),
    [
        (2.0, 2.0, (), Verdict.PASS),
        (2.0, 2.0, (OTHER,), Verdict.PASS),
        (2.19, 2.0, (), Verdict.PASS),
        (2.21, 2.0, (), Verdict.ATTENTION),
        (0.8, None, (), Verdict.PASS),
        (2.0, 2.0, (DISPUTED,), Verdict.ATTENTION),
        (0.0, 2.0, (), Verdict.WITHHELD),
        (float("nan"), 2.0, (), Verdict.WITHHELD),
    ],
)
def test_that_the_repetition_time_is_judged(seconds, model, findings, expected):
    scan = replace(mini_scan().scan, repetition_time_s=seconds)
    found = with_repetition_time(QualityReport((), Verdict.PASS, "7"), scan, findings, model)
    assert found.metrics[-1].verdict is expected
    assert found.verdict is expected
    assert found.table_version == "7"


def test_that_it_never_softens_the_verdict():
    report = QualityReport((), Verdict.WITHHELD, "7")
    assert with_repetition_time(report, mini_scan().scan, (), 2.0).verdict is Verdict.WITHHELD
