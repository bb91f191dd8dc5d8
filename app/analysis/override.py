"""Research mode against a quality verdict: only with a reason, which is recorded.

Research mode alone computes a number where the *model* was not made for the scan. A verdict of
the quality table is overruled only when a reason was typed; it stands in the case's provenance
and, as a hash, in the audit log, and such a case gets no participant summary.
"""

from __future__ import annotations

from app.core.request import LONGEST_REASON, AnalysisRequest
from app.core.results import Finding, QualityReport, Severity, Verdict


def override_reason(request: AnalysisRequest) -> str:
    """The stated reason in one line, or "" where none may count: outside research mode."""
    return " ".join(request.override_reason.split())[:LONGEST_REASON] if request.research else ""


def research_allowed(
    request: AnalysisRequest, quality: QualityReport
) -> tuple[bool, tuple[Finding, ...]]:
    """Whether a number may be computed against the gates, and what there is to say about it."""
    withheld = quality.verdict is Verdict.WITHHELD
    if not (request.research and withheld) or override_reason(request):
        return request.research, ()
    return False, (
        Finding(
            "research.reason_needed",
            Severity.NOTE,
            "The quality verdict withholds a number, also in research mode.",
            "State a reason to overrule it; it is recorded.",
        ),
    )


def reason_used(request: AnalysisRequest, quality: QualityReport) -> str:
    """The reason by which a verdict was overruled, "" where there was nothing to overrule."""
    return override_reason(request) if quality.verdict is Verdict.WITHHELD else ""
