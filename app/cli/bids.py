"""`bids`: a BIDS folder through the recipe, in the manner of a BIDS App."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.command import (
    DONE,
    FAILED,
    Command,
    UsageError,
    Window,
    counting_number,
    natural_number,
)
from app.cli.console import StageLines
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.wording import RUO_LINE, SEVERITY_WORDS

if TYPE_CHECKING:
    from app.cohort.batch import BatchRequest
    from app.cohort.engine_settings import EngineSettings
    from app.cohort.rows import CohortRow


def add_arguments(parser: ArgumentParser) -> None:
    """Folder in, folder out, level; whom, how and where."""
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR",
                        help="raw BIDS data or fMRIPrep derivatives")  # fmt: skip
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="gets the results")
    parser.add_argument("level", choices=("participant", "group"), metavar="participant|group",
                        help="participant: every scan; group: table, matrices and quality of "
                        "what is done")  # fmt: skip
    whom = parser.add_argument_group("whom")
    whom.add_argument("--participant-label", "--participant_label", nargs="+", default=[],
                      metavar="LABEL", help="only these, with or without sub-")  # fmt: skip
    whom.add_argument("--session-label", "--session_label", nargs="+", default=[],
                      metavar="LABEL", help="only these visits")  # fmt: skip
    whom.add_argument("--task-id", "--task-label", default="", metavar="NAME",
                      help="only this task (default: all with 'rest' in their name)")  # fmt: skip
    how = parser.add_argument_group("how")
    how.add_argument("--model", default="simulated-demo", metavar="ID",
                     help="decides atlas and cleaning (default: %(default)s)")  # fmt: skip
    how.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps", "auto"),
                     help="one for all scans (default: %(default)s)")  # fmt: skip
    how.add_argument("--random-seed", type=natural_number, default=0, metavar="N",
                     help="of the run (default: 0)")  # fmt: skip
    how.add_argument("--no-attribution", action="store_true", help="leave explanations out")
    how.add_argument("--pdf", action="store_true", help="a participant summary for each")
    how.add_argument("--dry-run", action="store_true", help="list what would be done, and stop")
    how.add_argument("--skip-bids-validation", "--skip_bids_validation", action="store_true",
                     help="accepted for compatibility; odd names only warn here")  # fmt: skip
    _add_places(parser)
    group = parser.add_argument_group("group level")
    group.add_argument("--group-by", default="", metavar="COLUMN",
                       help="site, sex, arm, session or quality: difference of the two "
                       "groups' mean matrices")  # fmt: skip
    group.add_argument("--where", nargs="+", default=[], metavar="COLUMN=VALUE",
                       help="only rows with these values, such as arm=placebo")  # fmt: skip


def _add_places(parser: ArgumentParser) -> None:
    where = parser.add_argument_group("where it runs")
    where.add_argument("--n-workers", "--nprocs", "--n_cpus", type=counting_number, default=0,
                       metavar="N", help="worker processes, one scan each (default: as memory "
                       "and cores allow)")  # fmt: skip
    where.add_argument("--mem-mb", "--mem_mb", type=counting_number, default=0, metavar="MB",
                       help="memory of one worker (default: an equal share)")  # fmt: skip
    where.add_argument("--scheduler", default="", metavar="ADDRESS",
                       help="a Dask scheduler that is running, such as tcp://host:8786, or its "
                       "file")  # fmt: skip
    where.add_argument("--gpus", type=counting_number, default=0, metavar="N",
                       help="with --device cuda: one worker a card")  # fmt: skip
    where.add_argument("--no-dashboard", action="store_true", help="start no web page")
    where.add_argument("--slurm", action="store_true",
                       help="workers as SLURM jobs (needs the extra 'slurm')")  # fmt: skip
    where.add_argument("--slurm-queue", default="", metavar="NAME", help="partition")
    where.add_argument("--slurm-account", default="", metavar="NAME", help="account")
    where.add_argument("--slurm-walltime", default="04:00:00", metavar="TIME",
                       help="of one job (default: %(default)s)")  # fmt: skip
    where.add_argument("--slurm-interface", default="", metavar="NAME",
                       help="network interface that nodes share")  # fmt: skip
    where.add_argument("--slurm-directive", action="append", default=[], metavar="TEXT",
                       help="one more #SBATCH option, such as --gres=gpu:1")  # fmt: skip


def run(arguments: Namespace, window: Window | None) -> int:
    """Run one level; 0 all done, 1 some scans failed (listed)."""
    if arguments.level == "group":
        from app.cli.bids_group import run_group

        return run_group(arguments, _visits(arguments))
    from app.cohort.batch import default_engine, plan_batch, run_batch

    plan = plan_batch(_request(arguments))
    for finding in plan.findings:
        text = f"{SEVERITY_WORDS[finding.severity]}: {finding.message} {finding.hint}".rstrip()
        print(text, file=sys.stderr)
    if arguments.dry_run:
        for row in plan.rows:
            print(f"{row.key}\t{row.source or row.reason}")
        return DONE
    with StageLines() as lines:
        progress = Progress(lines.show, weights={"participants": 1.0})
        rows = run_batch(
            plan,
            default_engine(_engine(arguments), plan),
            progress,
            say=lambda words: print(words, file=sys.stderr),
        )
    failed = [row for row in rows if not row.finished]
    counts = Counter(row.outcome for row in rows)
    print(RUO_LINE)
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    for row in failed:
        print(f"{row.key}: {row.reason}")
    print(f"Results: {arguments.out_dir / 'results.tsv'}")
    return FAILED if failed else DONE


def _visits(arguments: Namespace) -> tuple[CohortRow, ...]:
    """Every visit of the data set; none where the folder is elsewhere by now."""
    from app.cohort.batch import plan_batch

    try:
        plan = plan_batch(_request(arguments))
    except AppError as error:
        if error.code not in ("cohort.no_folder", "cohort.nobody"):
            raise
        return ()
    return tuple(row for row in plan.rows if row.key not in plan.unlisted)


def _request(arguments: Namespace) -> BatchRequest:
    from app.cohort.batch import BatchRequest

    return BatchRequest(
        bids_dir=arguments.bids_dir,
        out_dir=arguments.out_dir,
        participants=tuple(arguments.participant_label),
        sessions=tuple(arguments.session_label),
        task=arguments.task_id,
        model_id=arguments.model,
        device=arguments.device,
        attribution=not arguments.no_attribution,
        write_pdf=arguments.pdf,
        seed=arguments.random_seed,
        template=_template_of(arguments.model),
    )


def _template_of(model_id: str) -> str:
    """Template of the model's atlas: the space in which derivatives are looked for.

    Raises
    ------
    AppError
        There is no such model, before any work is done.
    """
    from app.connectome.atlases import load_atlas
    from app.models.bundle import load_bundle

    return load_atlas(load_bundle(model_id).contract.atlas).template


def _engine(arguments: Namespace) -> EngineSettings:
    from app.cohort.engine_settings import EngineSettings, SlurmSettings

    if arguments.slurm and arguments.scheduler:
        raise UsageError("--slurm starts a scheduler of its own.", "Leave --scheduler out.",
                         code="cli.scheduler")  # fmt: skip
    if arguments.gpus and arguments.device != "cuda":
        raise UsageError("--gpus needs --device cuda.", "Add it, or leave --gpus out.",
                         code="cli.gpus")  # fmt: skip
    slurm = SlurmSettings(
        queue=arguments.slurm_queue,
        account=arguments.slurm_account,
        walltime=arguments.slurm_walltime,
        directives=tuple(arguments.slurm_directive),
        interface=arguments.slurm_interface,
    )
    return EngineSettings(
        workers=arguments.n_workers,
        memory_bytes=arguments.mem_mb << 20,
        scheduler=arguments.scheduler,
        slurm=slurm if arguments.slurm else None,
        gpus=arguments.gpus or (1 if arguments.device == "cuda" else 0),
        dashboard=not arguments.no_dashboard,
    )


COMMAND = Command(
    "bids", "analyse every participant of a BIDS folder, side by side", add_arguments, run
)
