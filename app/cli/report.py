"""`report`: participant summaries of finished cases, one or many."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.cli.command import DONE, FAILED, Command, UsageError, Window
from app.cli.console import column_lines
from app.cli.work import in_worker
from app.core import wording
from app.worker.report_requests import batch_job


def add_arguments(parser: ArgumentParser) -> None:
    """Which cases, where to, and how they are printed."""
    parser.add_argument("cases", type=Path, nargs="+", metavar="FOLDER",
                        help="case folders, or folders that hold case folders")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder for the summaries")  # fmt: skip
    parser.add_argument("--paper", choices=("A4", "Letter"), default="A4")
    parser.add_argument("--neurological", action="store_true",
                        help="the participant's left on the left of every slice")  # fmt: skip
    parser.add_argument("--html", action="store_true", help="the accessible twin as well")


def run(arguments: Namespace, _window: Window | None) -> int:
    """Write them; one that fails never stops the rest."""
    folders = case_folders(arguments.cases)
    convention = wording.NEUROLOGICAL if arguments.neurological else wording.RADIOLOGICAL
    job = batch_job(
        folders, arguments.out, convention=convention, paper=arguments.paper, html=arguments.html
    )
    rows = in_worker(job)["rows"]
    table = [("Case", "Participant", "Outcome", "Summary")]
    table += [(row["case_id"], row["label"], row["outcome"], _became(row)) for row in rows]
    print(wording.RUO_LINE)
    print("\n".join(column_lines(table)))
    failed = sum(bool(row["trouble"]) for row in rows)
    print(count_text(rows))
    return FAILED if failed == len(rows) else DONE


def _became(row: Mapping[str, Any]) -> str:
    """The summary's name, or what stood in its way."""
    name = Path(row["pdf"]).name
    return row["trouble"] or (f"{name} (already there, unchanged)" if row["stood"] else name)


def count_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many summaries were written, stood already, and were not written."""
    failed, stood = (sum(bool(row[key]) for row in rows) for key in ("trouble", "stood"))
    already = f"{stood} already there and unchanged, " if stood else ""
    return f"{len(rows) - failed - stood} written, {already}{failed} not."


def case_folders(paths: list[Path]) -> list[Path]:
    """Case folders among these paths and directly below them.

    Raises
    ------
    UsageError
        There is none.
    """
    found: list[Path] = []
    for path in paths:
        if (path / "case.json").is_file():
            found.append(path.absolute())
        elif path.is_dir():
            found += sorted(
                inner.absolute()
                for inner in path.iterdir()
                if not inner.name.startswith(".") and (inner / "case.json").is_file()
            )
    if not found:
        raise UsageError(
            "No case folder was found.", "Name folders that hold case.json.", code="cli.no_case"
        )
    return list(dict.fromkeys(found))


COMMAND = Command("report", "participant summaries of finished cases", add_arguments, run)
