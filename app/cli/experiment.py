"""`experiment`: the paper's questions and one public data set, one command each."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.command import (
    DONE,
    Command,
    UsageError,
    Window,
    command_line,
    counting_number,
    natural_number,
)
from app.cli.console import StageLines
from app.cli.learn_arguments import tell_of_permutations
from app.core.progress import Progress
from app.core.wording import RUO_LINE

if TYPE_CHECKING:
    from app.cohort.experiments.running import DataSet, Run

WORDS = "experiment"


def add_arguments(parser: ArgumentParser) -> None:
    """One word a question."""
    kinds: Any = parser.add_subparsers(dest="kind", metavar="QUESTION", required=True)
    _compare(kinds)
    _ablate(kinds)
    _transfer(kinds)
    _leak(kinds)
    _ds000208(kinds)


def _new(kinds: _SubParsersAction[ArgumentParser], name: str, text: str) -> ArgumentParser:
    parser = kinds.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=RUO_LINE
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="results; the same command goes on where it stopped")  # fmt: skip
    return parser


def _cohort(parser: ArgumentParser, more: str = "") -> None:
    parser.add_argument("cohort", type=Path, metavar="COHORT",
                        help="prepared scans, made by `bids` or `prepare-cohort`")  # fmt: skip
    parser.add_argument("--plan", type=Path, required=True, metavar="FILE.toml",
                        help="analysis plan; it is locked before a label is read")  # fmt: skip
    parser.add_argument("--table", type=Path, metavar="FILE.tsv",
                        help="participants table (default: in COHORT or beside it)")  # fmt: skip
    _models(parser, more)


def _models(parser: ArgumentParser, more: str = "") -> None:
    words = f"models, the headline first (default: those of the plan){more}"
    parser.add_argument("--models", nargs="+", default=[], metavar="NAME", help=words)
    _encoder(parser)


def _encoder(parser: ArgumentParser) -> None:
    parser.add_argument("--encoder", default="simulated-demo", metavar="ID",
                        help="frozen encoder of series (default: %(default)s)")  # fmt: skip


def _compare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    parser = _new(kinds, "compare", "a model beside each rival on the same splits")
    _cohort(parser, "; the plan's headline and covariate-only rivals stay beside them")
    parser.add_argument("--all-rivals", action="store_true",
                        help="every rival that needs no training of networks")  # fmt: skip
    parser.add_argument("--deep", action="store_true",
                        help="with --all-rivals: networks too, minutes a fold each")  # fmt: skip


def _ablate(kinds: _SubParsersAction[ArgumentParser]) -> None:
    parser = _new(kinds, "ablate", "which part of the fused model earns its place")
    _cohort(parser)
    parser.add_argument("--parts", nargs="+", default=["branches"], metavar="PART",
                        help="branches, foundation, fusion, connectivity, mode, structural "
                        "(default: branches)")  # fmt: skip
    parser.add_argument("--volumes", type=Path, metavar="FILE.tsv",
                        help="FreeSurfer's table of volumes (asegstats2table)")  # fmt: skip
    parser.add_argument("--cases", type=Path, metavar="DIR",
                        help="case folders of the run, for raw series")  # fmt: skip


def _transfer(kinds: _SubParsersAction[ArgumentParser]) -> None:
    parser = _new(kinds, "transfer", "trained on one data set, tested on the other, both ways")
    parser.add_argument("cohorts", type=Path, nargs=2, metavar="COHORT",
                        help="prepared scans of both data sets")  # fmt: skip
    parser.add_argument("--plans", type=Path, nargs=2, required=True, metavar="FILE.toml",
                        help="analysis plans, one a data set")  # fmt: skip
    parser.add_argument("--tables", type=Path, nargs=2, metavar="FILE.tsv",
                        help="participants tables (default: in COHORT or beside it)")  # fmt: skip
    parser.add_argument("--names", nargs=2, default=["A", "B"], metavar="NAME",
                        help="of the data sets (default: A B)")  # fmt: skip
    parser.add_argument("--explained", type=natural_number, default=4, metavar="N",
                        help="people a data set whose integrated gradients are computed "
                        "(default: 4)")  # fmt: skip
    _models(parser)


def _leak(kinds: _SubParsersAction[ArgumentParser]) -> None:
    parser = _new(kinds, "leak", "what released protocols report where nothing can be learnt")
    parser.add_argument("cohort", type=Path, nargs="?", metavar="COHORT",
                        help="prepared scans (default: simulated people)")  # fmt: skip
    parser.add_argument("--repeats", type=counting_number, default=100, metavar="N",
                        help="random labels (default: 100)")  # fmt: skip
    parser.add_argument("--people", type=counting_number, default=56, metavar="N",
                        help="simulated people (default: 56)")  # fmt: skip
    parser.add_argument("--seed", type=natural_number, default=1, metavar="N")


def _ds000208(kinds: _SubParsersAction[ArgumentParser]) -> None:
    parser = _new(kinds, "ds000208", "the public knee osteoarthritis data set, whole")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the BIDS folder on disk")
    parser.add_argument("--prepared", type=Path, metavar="DIR",
                        help="scans that went through `bids` (OUT_DIR/prepared)")  # fmt: skip
    parser.add_argument("--arms", nargs="+", default=[], metavar="ARM",
                        help="placebo-2-weeks, placebo-3-months, duloxetine-3-months "
                        "(default: all, each by itself)")  # fmt: skip
    parser.add_argument("--repeats", type=counting_number, default=20, metavar="N",
                        help="of the nested cross-validation (default: 20)")  # fmt: skip
    parser.add_argument("--permutations", type=natural_number, default=200, metavar="N",
                        help="of labels (default: 200)")  # fmt: skip
    parser.add_argument("--seed", type=natural_number, default=0, metavar="N")
    parser.add_argument("--n-workers", type=counting_number, default=0, metavar="N",
                        help="scans at a time (default: as memory and cores allow)")  # fmt: skip
    _models(parser)


def run(arguments: Namespace, _window: Window | None) -> int:
    """Do it, and say where the report is."""
    from app.cohort.experiments.running import Run

    made = Run(
        arguments.out.absolute(),
        command_line(sys.argv[1:]),
        getattr(arguments, "encoder", "simulated-demo"),
    )
    with StageLines() as lines:
        written = KINDS[arguments.kind](arguments, made, Progress(lines.show))
    print(RUO_LINE)
    for line in _results(written):
        print(line)
    for path in written:
        if path.name in ("report.pdf", "report.html", "metrics.tsv"):
            print(path)
    return DONE


def _results(written: Sequence[Path]) -> list[str]:
    """The answers on the first pages of the reports that were written, then deviations."""
    from app.reporting.evaluation.write import SIMULATED_COHORT

    lines: list[str] = []
    for path in written:
        if path.name != "report.json":
            continue
        record = json.loads(path.read_text("utf-8"))
        if record["simulated"]:
            lines.append(SIMULATED_COHORT)
        lines += record["result"]
        lines += [f"deviation: {one}" for one in (record["plan"] or {}).get("deviations", ())]
    return lines


def _data(folder: Path, plan: Path, table: Path | None) -> DataSet:
    from app.cohort.experiments.running import DataSet
    from app.cohort.learn.plan import read_plan
    from app.cohort.learn.run import find_table

    for path in (folder, plan, *([table] if table else [])):
        if not path.exists():
            raise UsageError(f"There is no file or folder {path}.", "Check the spelling.",
                             code="cli.no_file")  # fmt: skip
    found = read_plan(plan)
    tell_of_permutations(found)
    return DataSet(folder, table or find_table(folder), found)


def _run_compare(arguments: Namespace, made: Run, progress: Progress) -> tuple[Path, ...]:
    from app.cohort.experiments.compare import rivals_of, run_compare

    data = _data(arguments.cohort, arguments.plan, arguments.table)
    names = list(arguments.models)
    if arguments.all_rivals:
        names = names or [data.plan.models.headline]
        names += [one for one in rivals_of(deep=arguments.deep) if one not in names]
    return run_compare(data, names, made, progress)


def _run_ablate(arguments: Namespace, made: Run, progress: Progress) -> tuple[Path, ...]:
    from app.cohort.experiments.ablate import Extras, parts_of, run_ablate
    from app.cohort.experiments.other_inputs import RawSeries, Volumes

    data = _data(arguments.cohort, arguments.plan, arguments.table)
    parts = parts_of(arguments.parts)
    volumes = Volumes.read(arguments.volumes) if arguments.volumes else None
    raw = RawSeries.read(arguments.cases, progress) if arguments.cases else None
    return run_ablate(data, parts, Extras(volumes, raw), made, progress)


def _run_transfer(arguments: Namespace, made: Run, progress: Progress) -> tuple[Path, ...]:
    from app.cohort.experiments.transfer import run_transfer

    tables = arguments.tables or (None, None)
    first, second = (
        _data(folder, plan, table)
        for folder, plan, table in zip(arguments.cohorts, arguments.plans, tables, strict=True)
    )
    return run_transfer(
        (first, second),
        (arguments.names[0], arguments.names[1]),
        arguments.models,
        made,
        progress,
        explained=arguments.explained,
    )


def _run_leak(arguments: Namespace, made: Run, progress: Progress) -> tuple[Path, ...]:
    from app.cohort.experiments.leak import LeakSettings
    from app.cohort.experiments.leak_run import run_leak_experiment

    settings = LeakSettings(repeats=arguments.repeats, seed=arguments.seed)
    return run_leak_experiment(arguments.cohort, arguments.people, settings, made, progress)


def _run_ds000208(arguments: Namespace, made: Run, progress: Progress) -> tuple[Path, ...]:
    from app.cohort.engine_settings import EngineSettings
    from app.cohort.experiments.ds000208 import MODELS, Recipe, arms_of, run_ds000208

    if not arguments.folder.is_dir():
        raise UsageError(f"There is no folder {arguments.folder}.", "Check the spelling.",
                         code="cli.no_file")  # fmt: skip
    recipe = Recipe(
        arguments.folder,
        arguments.prepared,
        models=tuple(arguments.models) or MODELS,
        arms=arms_of(arguments.arms),
        protocol={
            "repeats": arguments.repeats,
            "permutations": arguments.permutations,
            "seed": arguments.seed,
        },
        engine=EngineSettings(workers=arguments.n_workers),
    )
    return run_ds000208(recipe, made, progress)


KINDS: dict[str, Callable[[Namespace, Run, Progress], tuple[Path, ...]]] = {
    "compare": _run_compare,
    "ablate": _run_ablate,
    "transfer": _run_transfer,
    "leak": _run_leak,
    "ds000208": _run_ds000208,
}

COMMAND = Command(
    WORDS, "the paper's questions without its leaks, and one public data set", add_arguments, run
)
