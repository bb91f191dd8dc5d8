"""The repetition time as a metric of the quality table: known, undisputed, like the model's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from app.core.results import Finding, QualityMetric, QualityReport, Scan, Verdict
from app.preprocessing.quality import worst

FAR_PERCENT = 10.0  # from the model's, above it a reason to look
DOUBTS = ("scan.tr_disagrees", "scan.tr_placeholder")


def with_repetition_time(
    report: QualityReport,
    scan: Scan,
    findings: Iterable[Finding],
    model_repetition_time_s: float | None,
) -> QualityReport:
    """The report with the repetition time as its last metric.

    Withheld where it is unknown; attention where header and sidecar disagree, where it may be a
    placeholder, or where it is more than 10 % from the model's. A model that needs its own
    repetition time more exactly withholds by its own gate.

    Parameters
    ----------
    model_repetition_time_s
        None where no model is meant.
    """
    seconds = scan.repetition_time_s
    if not (math.isfinite(seconds) and seconds > 0):
        verdict = Verdict.WITHHELD
    elif any(finding.code in DOUBTS for finding in findings) or _far(
        seconds, model_repetition_time_s
    ):
        verdict = Verdict.ATTENTION
    else:
        verdict = Verdict.PASS
    wanted = f" of {model_repetition_time_s:g} s" if model_repetition_time_s else ""
    metric = QualityMetric(
        "repetition_time_s",
        "Repetition time",
        seconds,
        "s",
        f"pass: header and sidecar agree, within {FAR_PERCENT:g} % of the model's{wanted}; "
        "withheld: unknown",
        "project default",
        verdict,
    )
    return replace(
        report, metrics=(*report.metrics, metric), verdict=worst((report.verdict, verdict))
    )


def _far(seconds: float, model_s: float | None) -> bool:
    return model_s is not None and abs(seconds - model_s) > FAR_PERCENT / 100.0 * model_s
