"""Jobs on explanations and participant summaries: explain, preview, sign, many at once, reopen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.progress import Progress
from app.core.signing import ReaderNote


def explain(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Maps, health and sensitivity of a finished case."""
    from app.analysis.explaining import Wanted, explain_case

    folder = Path(arguments["case_folder"])
    wanted = Wanted(
        health=arguments["health"] is True,
        sensitivity=arguments["sensitivity"] is True,
        again=arguments["again"] is True,
        device=arguments["device"],
        write_pdf=arguments["write_pdf"] is True,
    )
    case = explain_case(folder, wanted, progress)
    return {"case_folder": str(folder), "case_id": case.case_id}


def preview_pages(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The summary as pictures of its pages."""
    from app.analysis.reports import Layout, preview_pages

    progress.set_weights({"Report": 1.0})
    with progress.stage("Report"):
        pdf, pages = preview_pages(
            Path(arguments["case_folder"]),
            Path(arguments["scratch"]),
            ReaderNote(**arguments["note"]),
            Layout(arguments["convention"], arguments["paper"]),
            dots_per_inch=float(arguments["dots_per_inch"]),
            progress=progress,
        )
    return {"preview_pdf": str(pdf), "pages": [str(page) for page in pages]}


def sign_report(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Close a version of the summary."""
    from app.analysis.reports import Layout, sign_report

    folder = Path(arguments["case_folder"])
    progress.set_weights({"Report": 1.0})
    with progress.stage("Report"):
        done = sign_report(
            folder,
            ReaderNote(**arguments["note"]),
            Layout(arguments["convention"], arguments["paper"]),
            progress,
        )
    return {
        "signed": {"pdf": str(done.pdf), "version": done.note.version, "report": done.report_id},
        "signed_folder": str(folder),
    }


def batch_reports(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Summaries of many cases."""
    from app.analysis.reports import Layout, batch_reports

    progress.set_weights({"Report": 1.0})
    with progress.stage("Report"):
        rows = batch_reports(
            [Path(folder) for folder in arguments["folders"]],
            Path(arguments["out"]),
            Layout(arguments["convention"], arguments["paper"]),
            html=arguments["html"] is True,
            progress=progress,
        )
    return {
        "rows": [
            {
                "case_id": row.case_id,
                "label": row.label,
                "outcome": row.outcome,
                "pdf": "" if row.pdf is None else str(row.pdf),
                "trouble": row.trouble,
                "stood": row.stood,
            }
            for row in rows
        ]
    }


def reopen(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """From a summary back to its case, computed again where its data are given."""
    from app.analysis.reopening import recompute, reopen

    pdf, scan = Path(arguments["pdf"]), arguments["scan"]
    t1 = None if arguments["t1"] is None else Path(arguments["t1"])
    found = (
        reopen(pdf)
        if scan is None
        else recompute(pdf, Path(scan), Path(arguments["out"]), progress, t1=t1)
    )
    return {
        "reopened": {
            "case_id": found.report.case_id,
            "folder": "" if found.folder is None else str(found.folder),
            "altered": list(found.altered),
            "needs_t1": found.needs_t1,
        }
    }


REPORT_JOBS = {
    "explain": explain,
    "preview_pages": preview_pages,
    "sign_report": sign_report,
    "batch_reports": batch_reports,
    "reopen": reopen,
}
