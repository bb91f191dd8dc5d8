"""What stands on every page: title, pseudonym, and the line that ties a page to its case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.core import wording
from app.reporting.context import ReportContext
from app.reporting.privacy import without_paths

TITLE = "NeuroResponder participant summary"


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a report of any kind prints on each of its pages, and what it attaches."""

    title: str
    header: str
    footer: tuple[str, ...]
    stamps: tuple[str, ...]
    report_id: str
    record: dict[str, Any]  # the attached JSON
    bookmarks: bool = False  # one a section


def page_facts(context: ReportContext) -> PageFacts:
    """Those of a participant summary."""
    return PageFacts(
        TITLE,
        header_name(context),
        footer_parts(context),
        context.stamps,
        context.report_id,
        context.record,
        bookmarks=True,
    )


def footer_parts(context: ReportContext) -> tuple[str, ...]:
    """What the footer's second line says, on every page."""
    case = context.case
    prediction = case.prediction
    model = prediction.model if prediction else None
    version = case.provenance.app_version if case.provenance else "unknown"
    return (
        f"NeuroResponder {version}",
        "no model"
        if model is None
        else f"model {model.model_id} {wording.short_hash(model.weights_sha256)}",
        f"JSON {context.record_sha256[:8]}",
        context.convention,
        f"scan {wording.short_hash(case.scan.sha256)}",
        f"participant {case.participant.uuid[:8]}",
    )


def header_name(context: ReportContext) -> str:
    """Pseudonym and session of every page's header."""
    person = context.case.participant
    return without_paths(wording.join((person.label, person.session)))
