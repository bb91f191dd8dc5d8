"""The state of each step, in one of the five words, with the reason."""

from __future__ import annotations

from app.core import wording
from app.core.explanation_wording import agreement_text, agrees_poorly
from app.core.results import Severity, Verdict
from app.gui.session import Session
from app.gui.widgets.icons import VERDICT_STATES
from app.gui.widgets.step_bar import STEPS

State = tuple[str, str]  # key of STATE_WORDS, reason


def step_states(
    session: Session, running: frozenset[str], *, interrupted: bool = False
) -> dict[str, State]:
    """State of every step; `running` holds the names of the jobs that run.

    `interrupted` says that the program ended while what is open was analysed.
    """
    states: dict[str, State] = {key: ("idle", "") for key, _ in STEPS}
    if session.case is None and session.preview is None:
        for key, _ in STEPS[1:]:
            states[key] = ("idle", "Open a scan or a case first.")
    states["load"] = _load_state(session)
    if session.case is not None:
        states["check"] = _check_state(session)
        states["predict"] = _predict_state(session)
        states["explain"] = _explain_state(session)
        states["report"] = _report_state(session)
    if session.case is not None and session.case.stale:
        for key in ("predict", "explain", "report"):
            states[key] = ("blocked", session.case.stale)
    if interrupted:
        for key in ("check", "predict", "explain"):
            if states[key][0] == "idle":
                states[key] = ("attention", "The analysis was interrupted.")
    if running & {"look", "inspect", "preview"}:
        states["load"] = ("running", "The scan is being opened.")
    if "analyse" in running:
        waiting = [key for key in ("check", "predict", "explain") if states[key][0] != "done"]
        for key in waiting:
            states[key] = ("running", "The analysis is running.")
    if "report" in running:
        states["report"] = ("running", "The PDF is being written.")
    return states


# First words of the codes of what was found while a scan was opened.
_DOORS = ("scan.", "dicom.", "derivative.", "series.", "bids.")


def _report_state(session: Session) -> State:
    assert session.case is not None
    if session.case.summary_pdf.is_file():
        return "done", "The PDF lies in the case folder."
    if any((session.case.folder / "reports").glob("*_version-*.pdf")):
        return "done", "A signed version lies in the case folder."
    return "idle", "The PDF was not written yet."


def _load_state(session: Session) -> State:
    if session.case is not None:
        findings = session.case.case.findings
    elif session.preview is not None:
        findings = session.preview.findings
    else:
        return "idle", "Open a scan or a case folder."
    for severity, state in ((Severity.BLOCKING, "blocked"), (Severity.WARNING, "attention")):
        for finding in findings:
            if finding.severity is severity and finding.code.startswith(_DOORS):
                return state, f"{finding.message} {finding.hint}".strip()
    return "done", "A scan is open."


def _check_state(session: Session) -> State:
    quality = session.case.case.quality if session.case is not None else None
    if quality is None:
        return "idle", "Quality was not measured."
    if quality.verdict is Verdict.PASS:
        return "done", "Every gate passes."
    labels = [m.label for m in quality.metrics if m.verdict is quality.verdict]
    return VERDICT_STATES[quality.verdict], "; ".join(labels)


def _predict_state(session: Session) -> State:
    opened = session.case
    if opened is None or opened.case.prediction is None:
        return "idle", "No prediction was computed."
    if opened.withheld:
        told = wording.sentences(map(wording.bare_reason, opened.case.prediction.reasons))
        return "attention", f"Withheld. {told}"
    return "done", ""


def _explain_state(session: Session) -> State:
    opened = session.case
    if opened is None or opened.case.prediction is None:
        return "idle", ""
    if opened.withheld:
        return "blocked", "Nothing is explained where no number is given."
    if opened.attribution is None:
        return "idle", "The explanation was not computed."
    agreed = opened.attribution.branches.converged and opened.attribution.scan.converged
    if not agreed:
        return "attention", "An attribution did not converge."
    if agrees_poorly(opened.attribution):
        return "attention", agreement_text(opened.attribution)
    return "done", ""
