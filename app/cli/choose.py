"""Which series or run of a folder is meant, from the words on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from app.cli.command import UsageError, existing_file
from app.cli.console import column_lines
from app.cli.work import look
from app.core.wording import SEVERITY_WORDS
from app.scans.contents import Choice, Contents, SourceKind

_COLUMNS = ("no.", "kind", "volumes", "TR s", "matrix", "date", "participant", "name", "note")


def add_arguments(parser: ArgumentParser) -> None:
    """What to open inside a folder."""
    parser.add_argument("--list", action="store_true",
                        help="print what the folder holds, and stop")  # fmt: skip
    parser.add_argument("--series", default="", metavar="UID|NUMBER",
                        help="series of a DICOM folder")  # fmt: skip
    parser.add_argument("--run", dest="run_name", default="", metavar="NAME|NUMBER",
                        help="run of a BIDS dataset or of fMRIPrep derivatives")  # fmt: skip
    parser.add_argument("--confounds", type=Path, metavar="TSV",
                        help="confound table of an fMRIPrep run where none fits")  # fmt: skip
    parser.add_argument("--atlas", default="", metavar="NAME",
                        help="atlas of parcel series whose file does not say")  # fmt: skip


def chosen_source(arguments: Namespace) -> dict[str, Any]:
    """The fields of a request that name the source.

    Raises
    ------
    UsageError
        Several runs and no word which, or a word that fits none.
    AppError
        What is wrong with the folder.
    """
    path = existing_file(arguments.scan)
    named: dict[str, Any] = {
        "scan_path": path,
        "series": arguments.series,
        "confounds_path": None if arguments.confounds is None
        else existing_file(arguments.confounds),
        "atlas": arguments.atlas,
    }  # fmt: skip
    if not path.is_dir():
        return named
    contents = look(path, in_process=arguments.in_process)
    if contents.kind is SourceKind.CASE:
        raise UsageError("This folder is a finished case.", "Open it in the window.",
                         code="cli.is_case")  # fmt: skip
    if contents.kind is SourceKind.DICOM:
        return {**named, "scan_path": contents.path}
    return {**named, "scan_path": _run_of(contents, arguments.run_name).path}


def _run_of(contents: Contents, wanted: str) -> Choice:
    if wanted:
        found = contents.find(wanted)
        if found is None:
            raise UsageError("No run has this name or number.", "List the runs with --list.",
                             code="cli.no_run")  # fmt: skip
        return found
    candidates = contents.candidates
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        reasons = [choice.obstacle for choice in contents.choices if choice.obstacle]
        more = f" {reasons[0]}" if len(contents.choices) == 1 == len(reasons) else ""
        raise UsageError(f"The folder holds no run that could be analysed.{more}",
                         "See with --list what each file is.", code="cli.no_run")  # fmt: skip
    raise UsageError(
        f"The folder holds {len(candidates)} runs that could be analysed.",
        "List them with --list and name one with --run.",
        code="cli.choose_run",
    )


def table_lines(contents: Contents) -> list[str]:
    """The table as text, its findings and what to do next."""
    rows = [_COLUMNS, *(_cells(choice) for choice in contents.choices)]
    lines = column_lines(rows)
    lines += [
        f"{SEVERITY_WORDS[finding.severity]}: {finding.message} {finding.hint}".rstrip()
        for finding in contents.findings
    ]
    option = "--series" if contents.kind is SourceKind.DICOM else "--run"
    lines.append(f"Name one with {option} NUMBER.")
    return lines


def _cells(choice: Choice) -> tuple[str, ...]:
    seconds = f"{choice.repetition_time_s:g}" if choice.repetition_time_s else "-"
    return (
        str(choice.number),
        choice.kind,
        str(choice.volumes) if choice.volumes else "-",
        seconds,
        "x".join(map(str, choice.matrix)) if any(choice.matrix) else "-",
        choice.date or "-",
        " ".join(filter(None, (choice.participant, choice.session))) or "-",
        choice.title or "-",
        choice.obstacle or choice.question or choice.reason,
    )
