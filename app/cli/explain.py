"""`explain`: what moved a number, how far that can be trusted, and how far the number moves."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, UsageError, Window, existing_file
from app.cli.console import StageLines, column_lines
from app.cli.work import in_worker, run_analysis
from app.core import wording
from app.core.explanation_wording import (
    frames_map,
    frames_text,
    health_rows,
    sensitivity_text,
    univariate_lines,
)
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case
from app.core.sides import without_unknown_sides
from app.reporting.ranking import readable, top_connections, top_regions
from app.study.case_store import read_case
from app.worker.report_requests import explain_job

_FRAMES = re.compile(r"(\d{1,6})-(\d{1,6})")


def frame_range(text: str) -> tuple[int, int]:
    """Type of ``--frames``: "40-60", as the file counts frames (first = 0)."""
    found = _FRAMES.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise ArgumentTypeError(f"'{text}' is not a range such as 40-60")
    return int(found[1]), int(found[2])


def add_arguments(parser: ArgumentParser) -> None:
    """Which case or scan, and what is wanted beside the maps."""
    parser.add_argument("case", type=Path, metavar="CASE_OR_SCAN",
                        help="a case folder, or a scan that is analysed first")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="folder for the result of a scan")  # fmt: skip
    parser.add_argument("--model", default="simulated-demo", metavar="ID",
                        help="model of a scan that is analysed (default: %(default)s)")  # fmt: skip
    parser.add_argument("--health", action="store_true",
                        help="agreement over baselines, windows, token orders and halves; random "
                        "weights, shuffled labels; what is stable")  # fmt: skip
    parser.add_argument("--sensitivity", action="store_true",
                        help="the number under other choices, as marked variants")  # fmt: skip
    parser.add_argument("--frames", type=frame_range, metavar="A-B",
                        help="series map of these frames of the file (first = 0)")  # fmt: skip
    parser.add_argument("--again", action="store_true",
                        help="compute what the case already holds once more")  # fmt: skip
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto")
    parser.add_argument("--no-pdf", action="store_true", help="leave the summary as it is")
    parser.add_argument("--in-process", action="store_true",
                        help="no worker process (for debugging)")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Explain, and print what the window shows."""
    folder = existing_file(arguments.case)
    if not (folder / "case.json").is_file():
        if arguments.out is None:
            raise UsageError(
                "No folder for the results is named.", "Add --out DIR.", code="cli.no_out"
            )
        request = AnalysisRequest(
            scan_path=folder,
            out_dir=arguments.out.absolute(),
            model_id=arguments.model,
            device=arguments.device,
        )
        folder = run_analysis(request, in_process=arguments.in_process)
    _explain(folder, arguments)
    case = without_unknown_sides(read_case(folder))
    print("\n".join(explanation_lines(case)))
    if arguments.frames is not None:
        print("\n".join(["", *frame_lines(case, *arguments.frames)]))
    print(f"\nCase folder: {folder}")
    return DONE


def _explain(folder: Path, arguments: Namespace) -> None:
    if not arguments.in_process:
        job = explain_job(
            folder,
            health=arguments.health,
            sensitivity=arguments.sensitivity,
            again=arguments.again,
            device=arguments.device,
            write_pdf=not arguments.no_pdf,
        )
        in_worker(job)
        return
    from app.analysis.explaining import Wanted, explain_case

    wanted = Wanted(
        arguments.health,
        arguments.sensitivity,
        arguments.again,
        arguments.device,
        not arguments.no_pdf,
    )
    with StageLines() as lines:
        explain_case(folder, wanted, Progress(lines.show))


def explanation_lines(case: Case) -> list[str]:
    """The explanation as text; never printed for a case without a number."""
    found, signals = case.attribution, case.signals
    assert found is not None
    assert signals is not None
    lines = [*wording.case_stamps(case), wording.RUO_LINE, wording.NON_CAUSAL_CAPTION, ""]
    lines += [f"{name}: {text}" for name, text in health_rows(found, case.health)]
    if case.health is not None and case.health.univariate:
        lines += ["", case.health.univariate_text]
        lines += [f"  {name}: {text}" for name, text in univariate_lines(case.health)]
    if case.sensitivity is not None:
        lines += ["", f"Sensitivity of the log-odds: {sensitivity_text(case.sensitivity)}"]
        lines += column_lines(
            [
                (
                    f"  {one.group}",
                    one.name,
                    one.note if one.log_odds is None else wording.signed(one.log_odds, 4),
                )
                for one in case.sensitivity.variants
            ]
        )
    regions = top_regions(found, signals, health=case.health)
    if regions:
        rows = [
            (
                f"  {readable(row.name)}",
                row.hemisphere,
                row.network,
                wording.signed(row.scan, 4),
                wording.signed(row.branches, 4),
            )
            for row in regions
        ]
        lines += ["", "Largest regions, log-odds:"]
        lines += column_lines([("  Region", "Side", "Network", "(b)", "(a)"), *rows])
    matrix = None if case.connectome is None else case.connectome.matrix
    edges = top_connections(found, signals, matrix, health=case.health)
    if edges:
        pairs = [
            (f"  {readable(e.first)} – {readable(e.second)}", wording.signed(e.scan, 5))
            for e in edges
        ]
        lines += ["", "Largest connections, log-odds:", *column_lines(pairs)]
    return lines


def frame_lines(case: Case, first: int, last: int) -> list[str]:
    """The series map of some frames, ten largest parcels.

    Raises
    ------
    UsageError
        Frames that the case does not have.
    """
    import numpy as np

    found, signals = case.attribution, case.signals
    assert found is not None
    assert signals is not None
    start = signals.first_frame
    count = found.branches.per_parcel_frame.shape[1]
    if first < start or last >= start + count:
        raise UsageError(
            f"The case has frames {start} to {start + count - 1} (first = 0).",
            "Name frames within them.",
            code="cli.frames",
        )
    values = frames_map(found.branches, first - start, last - start)
    order = np.argsort(-np.abs(values), kind="stable")[:10]
    rows = [
        (
            f"  {readable(signals.parcel_names[p])}",
            signals.hemispheres[p],
            signals.networks[p],
            wording.signed(float(values[p]), 5),
        )
        for p in order.tolist()
    ]
    return [frames_text(found, signals, first - start, last - start), *column_lines(rows)]


COMMAND = Command("explain", "what moved a case's number, and its health", add_arguments, run)
