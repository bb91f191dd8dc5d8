"""`verify`: does this installation give right answers; is a report what it says it is?"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.checks import Check, check_case, check_repeat
from app.cli.command import (
    DONE,
    FAILED,
    Command,
    UsageError,
    Window,
    existing_file,
    natural_number,
)
from app.cli.console import column_lines, summary_pdf
from app.cli.demo import DEMONSTRATION_SEED, simulated_person
from app.cli.work import in_worker, run_analysis
from app.core.request import AnalysisRequest
from app.core.wording import SIMULATED_STAMP
from app.study.case_store import damaged_files, read_case
from app.worker.report_requests import reopen_job


def add_arguments(parser: ArgumentParser) -> None:
    """A report, or which person and whether to keep the files."""
    parser.add_argument("report", type=Path, nargs="?", metavar="REPORT.pdf",
                        help="compare a participant summary with its case (default: test this "
                        "installation)")  # fmt: skip
    parser.add_argument("--scan", type=Path, metavar="FILE",
                        help="with a report: analyse its scan again; needs --out")  # fmt: skip
    parser.add_argument("--t1", type=Path, metavar="FILE",
                        help="with --scan: the T1 image that the report was made with")  # fmt: skip
    parser.add_argument("--seed", type=natural_number, default=DEMONSTRATION_SEED, metavar="N")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="keep the files here (default: a temporary folder)")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Simulate, analyse twice, compare with the truth; print a table. Or check a report."""
    if arguments.report is not None:
        return check_report(arguments)
    if arguments.out is not None:
        checks = verify(arguments.out.absolute(), arguments.seed)
    else:
        with tempfile.TemporaryDirectory(prefix="neuroresponder-verify-") as folder:
            checks = verify(Path(folder), arguments.seed)
    print(SIMULATED_STAMP)
    print(table_text(checks))
    passed = all(check.passed for check in checks)
    print("All checks passed." if passed else "Some checks FAILED: do not use this installation.")
    return DONE if passed else FAILED


def check_report(arguments: Namespace) -> int:
    """Compare a summary with its case, or with its scan analysed again."""
    pdf = existing_file(arguments.report)
    scan = None if arguments.scan is None else existing_file(arguments.scan)
    if scan is not None and arguments.out is None:
        raise UsageError("No folder for the results is named.", "Add --out DIR.",
                         code="cli.no_out")  # fmt: skip
    t1 = None if arguments.t1 is None else existing_file(arguments.t1)
    if t1 is not None and scan is None:
        raise UsageError("A T1 image alone is nothing to compare with.", "Add --scan FILE.",
                         code="cli.t1_alone")  # fmt: skip
    found = in_worker(reopen_job(pdf, scan=scan, out=arguments.out, t1=t1))["reopened"]
    print(f"Case {found['case_id']}: {found['folder'] or 'its folder is not here'}")
    for sentence in found["altered"]:
        print(f"ALTERED: {sentence}")
    if not found["folder"]:
        with_t1 = " --t1 FILE" if found["needs_t1"] else ""
        print(
            f"Nothing to compare with: add --scan FILE{with_t1} --out DIR to analyse its scan "
            "again."
        )
        return FAILED
    if not found["altered"]:
        print("The case is what the report says, file by file.")
    return FAILED if found["altered"] else DONE


def verify(out: Path, seed: int) -> tuple[Check, ...]:
    """Two independent runs on the demonstration participant, judged against its truth."""
    person = simulated_person(seed, out)
    folders = [
        run_analysis(AnalysisRequest(scan_path=person.paths.bold, out_dir=out / name))
        for name in ("first", "second")
    ]
    first, second = (read_case(folder) for folder in folders)
    intact = not any(damaged_files(folder) for folder in folders)
    pdf = summary_pdf(first, folders[0])
    written = pdf.is_file() and pdf.read_bytes()[:5] == b"%PDF-"
    return (
        *check_case(first, person.truth),
        *check_repeat(first, second),
        Check(
            "Case folder", "files with a wrong hash", 0.0 if intact else 1.0, 0.0, at_least=False
        ),
        Check("Report", "PDF written", float(written), 1.0, at_least=True),
    )


def table_text(checks: tuple[Check, ...]) -> str:
    """One line a check: stage, what, value, limit, pass or FAIL."""
    rows = [("Stage", "Measure", "Value", "Limit", "")]
    rows += [
        (
            check.stage,
            check.measure,
            f"{check.value:.4g}",
            f"{'>=' if check.at_least else '<='} {check.limit:g}",
            "pass" if check.passed else "FAIL",
        )
        for check in checks
    ]
    return "\n".join(column_lines(rows))


COMMAND = Command(
    "verify", "test this installation on a simulated person with known truth", add_arguments, run
)
