"""`predict`: one scan through the whole recipe."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from app.cli import choose
from app.cli.command import (
    DONE,
    Command,
    UsageError,
    Window,
    existing_file,
    natural_number,
    positive_number,
)
from app.cli.console import case_lines
from app.cli.work import look, run_analysis
from app.core.errors import AppError
from app.core.frames import frames_of_text
from app.core.pseudonym import participant_label
from app.core.request import AnalysisRequest, Question
from app.study.case_store import read_case
from app.study.database import open_index
from app.study.overrides import known_participant

LARGEST_REPETITION_TIME_S = 30.0


def add_arguments(parser: ArgumentParser) -> None:
    """Scan, target and how."""
    parser.add_argument("scan", type=Path, metavar="PATH",
                        help="scan (.nii, .nii.gz), DICOM folder, BIDS dataset, fMRIPrep "
                        "derivatives, or parcel series (.tsv, .csv, .npy)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="folder that receives <case>/ (required unless --list)")  # fmt: skip
    choose.add_arguments(parser)
    parser.add_argument("--model", default="simulated-demo", metavar="ID",
                        help="model to ask (default: %(default)s)")  # fmt: skip
    for option, what in (
        ("--drug", "drug"),
        ("--arm", "arm"),
        ("--time-point", "time point"),
        ("--responder-definition", "responder definition"),
    ):
        parser.add_argument(option, default="", metavar="TEXT",
                            help=f"{what} that the number shall be about; a model made for "
                            "another is refused")  # fmt: skip
    parser.add_argument("--participant", default="", metavar="LABEL",
                        help="pseudonym, letters and digits, such as sub-01 (default: from the "
                        "file name)")  # fmt: skip
    parser.add_argument("--tr", type=positive_number, metavar="SECONDS",
                        help="repetition time in seconds where the file has none")  # fmt: skip
    parser.add_argument("--censor", default="", metavar="FRAMES",
                        help="volumes of the file (first = 0) to leave out, such as 40-45,120; "
                        "they count as flagged and stand in the case")  # fmt: skip
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto",
                        help="where torch computes (default: %(default)s)")  # fmt: skip
    parser.add_argument("--threads", type=natural_number, default=0, metavar="N",
                        help="0 = all cores; never changes the answer")  # fmt: skip
    parser.add_argument("--seed", type=natural_number, default=0, metavar="N")
    parser.add_argument("--research", action="store_true",
                        help="compute a number even where a check withholds it; it is stamped as "
                        "meaningless")  # fmt: skip
    parser.add_argument("--override-reason", default="", metavar="TEXT",
                        help="with --research: why a quality verdict that withholds is overruled; "
                        "recorded in the case and the audit log, no summary")  # fmt: skip
    parser.add_argument("--t1", type=Path, metavar="FILE",
                        help="T1-weighted image of the same participant: both routes to the "
                        "template are run, the better one is kept")  # fmt: skip
    parser.add_argument("--write-mni-bold", action="store_true",
                        help="also write the whole run in the template (large)")  # fmt: skip
    parser.add_argument("--no-cache", action="store_true",
                        help="neither recall nor keep stages of preprocessing; never changes the "
                        "answer")  # fmt: skip
    parser.add_argument("--study", action="store_true",
                        help="record the result in the study index of this user")  # fmt: skip
    parser.add_argument("--no-attribution", action="store_true",
                        help="skip what moved the prediction")  # fmt: skip
    parser.add_argument("--in-process", action="store_true",
                        help="no worker process (for debugging)")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Analyse the scan, print the answer and where it lies."""
    if arguments.list:
        path = existing_file(arguments.scan)
        print("\n".join(choose.table_lines(look(path, in_process=arguments.in_process))))
        return DONE
    request = request_of(arguments)
    record = arguments.study or bool(request.override_reason)  # an override is always logged
    if record:
        from app.analysis.opening import scan_sha256

        request = replace(request, participant_uuid=known_participant(scan_sha256(request)))
    folder = run_analysis(request, in_process=arguments.in_process)
    case = read_case(folder)
    warnings: tuple[str, ...] = ()
    if record:
        with open_index() as index:
            warnings = index.record(case, folder)
    print("\n".join([*(f"Warning: {text}" for text in warnings), *case_lines(case, folder)]))
    return DONE


def request_of(arguments: Namespace) -> AnalysisRequest:
    """The request that the words on the command line stand for.

    Raises
    ------
    UsageError
        No such scan, a label that is no pseudonym, a repetition time that looks like ms.
    """
    if arguments.tr is not None and arguments.tr > LARGEST_REPETITION_TIME_S:
        raise UsageError(
            f"A repetition time of {arguments.tr:g} s is not plausible.",
            f"Give seconds; did you mean --tr {arguments.tr / 1000:g}?",
            code="cli.repetition_time",
        )
    if arguments.override_reason and not arguments.research:
        raise UsageError(
            "A quality verdict can be overruled in research mode only.",
            "Add --research, or leave --override-reason out.",
            code="cli.override",
        )
    if arguments.out is None:
        raise UsageError("No folder for the results is named.", "Add --out DIR.",
                         code="cli.no_out")  # fmt: skip
    try:
        label = participant_label(arguments.participant)
        censored = frames_of_text(arguments.censor)
    except AppError as refusal:
        raise UsageError(refusal.message, refusal.hint, code="cli.label") from None
    return AnalysisRequest(
        **choose.chosen_source(arguments),
        out_dir=arguments.out.absolute(),
        model_id=arguments.model,
        participant_label=label,
        repetition_time_s=arguments.tr,
        censored_frames=censored,
        t1_path=None if arguments.t1 is None else existing_file(arguments.t1),
        research=arguments.research,
        override_reason=arguments.override_reason.strip(),
        device=arguments.device,
        threads=arguments.threads,
        seed=arguments.seed,
        stage_cache=not arguments.no_cache,
        write_mni_bold=arguments.write_mni_bold,
        attribution=not arguments.no_attribution,
        question=Question(
            drug=arguments.drug,
            arm=arguments.arm,
            time_point=arguments.time_point,
            responder_definition=arguments.responder_definition,
        ),
    )


COMMAND = Command("predict", "analyse one scan without a window", add_arguments, run)
