"""Options of `train` and `evaluate`: a plan as a file, or its mandatory parts one by one."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.command import UsageError, counting_number, natural_number

if TYPE_CHECKING:
    from app.cohort.learn.definition import Definition
    from app.cohort.learn.plan import Plan
    from app.cohort.learn.run import LearnRequest

RIVALS = (
    "linear",
    "tangent",
    "frozen-cls",
    "majority",
    "age",
    "age-sex",
    "motion",
    "age-sex-motion",
    "baseline-pain",
    "covariates",
)
# Option -> what it is; without a plan file each must be given.
MANDATORY = {
    "label": "column of participants.tsv with the outcome",
    "definition": "who is a responder, such as 'VAS fall >= 30 %%'",
    "drug": "name of the drug",
    "dose": "dose, or 'none'",
    "route": "route, such as oral",
    "arm": "arm of the people, such as 'active'",
    "comparator": "what the arm was compared with, or 'none'",
    "time-point": "when the outcome was measured, such as 'week 12'",
    "population": "who the people are, in words",
    "age-range": "ages the model is for, such as 18-80",
    "estimand": "what response means here, in one sentence",
    "rescue-medication": "how rescue medication was counted",
    "drop-out": "how drop-out was counted",
}
OPTIONAL = (
    "kind", "baseline", "primary", "scale", "secondary", "select", "model", "rival", "repeats",
    "permutations", "calibration", "seed", "harmonise", "control-arm",
)  # fmt: skip


def add_arguments(parser: ArgumentParser) -> None:
    """Whose scans, which plan."""
    parser.add_argument(
        "cohort",
        type=Path,
        nargs="?",
        metavar="COHORT",
        help="folder of prepared scans: case folders of `analyse`, or files of `prepare-cohort`",
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="participants.tsv (default: in COHORT or beside it)",
    )
    parser.add_argument(
        "--plan",
        type=Path,
        metavar="FILE.toml",
        help="the whole analysis plan; replaces the options below",
    )
    parser.add_argument(
        "--exclude",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL",
        help="leave people out by hand: sub-01, or sub-01_ses-2 for one visit; counted as such, "
        "and a deviation where they were there when the plan was locked",
    )
    plan = parser.add_argument_group(
        "instead of a plan file (all of the first group are mandatory)"
    )
    for name, words in MANDATORY.items():
        plan.add_argument(f"--{name}", metavar="TEXT", help=words)
    plan.add_argument(
        "--kind",
        choices=("label", "post", "percent_improvement", "points_improvement"),
        help="what the column holds: 1 and 0; the score after treatment; percent "
        "or points of improvement, positive = better (default: label)",
    )
    plan.add_argument(
        "--baseline", metavar="COLUMN", help="column with the same score before treatment"
    )
    plan.add_argument(
        "--primary",
        choices=("continuous", "responder"),
        help="primary outcome (default: continuous where the columns tell the change; a "
        "responder definition in its place is listed as a deviation)",
    )
    plan.add_argument(
        "--scale", metavar="TEXT", help="name of the scale (default: as the definition says)"
    )
    plan.add_argument(
        "--secondary",
        action="append",
        default=[],
        metavar="TEXT",
        help="a further definition, declared beforehand; may be repeated (default: falls of "
        "20, 30 and 50 %% and, of a score after treatment from 0 to 10, below 4)",
    )
    plan.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="COLUMN=VALUE[,VALUE]",
        help="rows that take part; may be repeated",
    )
    plan.add_argument(
        "--model",
        default="linear",
        metavar="NAME",
        help="model of the headline (default: %(default)s)",
    )
    plan.add_argument(
        "--rival",
        action="append",
        metavar="NAME",
        help=f"a rival; may be repeated (default: {', '.join(RIVALS)})",
    )
    plan.add_argument(
        "--repeats",
        type=counting_number,
        default=20,
        metavar="N",
        help="repeats of the split (default: %(default)s)",
    )
    plan.add_argument(
        "--permutations",
        type=natural_number,
        default=200,
        metavar="N",
        help="of the labels, whole loop (default: %(default)s)",
    )
    plan.add_argument(
        "--calibration",
        choices=("platt", "temperature"),
        default="platt",
        help="of log-odds of the inner folds (default: %(default)s)",
    )
    plan.add_argument("--seed", type=natural_number, default=0, metavar="N")
    plan.add_argument(
        "--harmonise",
        choices=("none", "combat"),
        default="none",
        help="ComBat over sites, fitted in training folds; such a model cannot "
        "serve a new scanner and becomes no bundle",
    )
    plan.add_argument(
        "--control-arm",
        metavar="TEXT",
        help="name of the control arm, whose people take part too; the score is prognostic then",
    )
    parser.set_defaults(default_of=parser.get_default)
    parser.add_argument(
        "--encoder",
        default="simulated-demo",
        metavar="ID",
        help="frozen encoder (default: %(default)s)",
    )
    parser.add_argument("--normalisation", metavar="NAME", help="of encoders that leave it open")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="result folder; an interrupted run goes on there"
    )


def learn_request(arguments: Namespace, out: Path) -> LearnRequest:
    """The request; everything that is missing is told at once.

    Raises
    ------
    UsageError
        Options that are missing or cannot be read.
    AppError
        A plan that cannot be followed.
    """
    from app.cohort.learn.exclusions import refuse_unknown, visits_of
    from app.cohort.learn.participants_table import ParticipantsTable
    from app.cohort.learn.run import LearnRequest, find_table

    if not arguments.cohort.is_dir():
        raise UsageError(
            f"There is no folder {arguments.cohort}.", "Check the spelling.", code="cli.no_file"
        )
    plan = plan_of(arguments)
    tell_of_permutations(plan)
    table = arguments.table or find_table(arguments.cohort)
    by_hand = visits_of(arguments.exclude)
    if by_hand:
        refuse_unknown(by_hand, *ParticipantsTable.read(table, plan).visits(plan))
    return LearnRequest(
        cohort=arguments.cohort,
        table=table,
        plan=plan,
        out=out,
        encoder=arguments.encoder,
        normalisation=arguments.normalisation,
        by_hand=by_hand,
    )


def tell_of_permutations(plan: Plan) -> None:
    """Say before anything is locked that the plan's permutations can show nothing."""
    from app.cohort.learn.flags import too_few_permutations

    if few := too_few_permutations(plan.protocol.permutations):
        print(f"Note: {few}.", file=sys.stderr)


def plan_of(arguments: Namespace) -> Plan:
    """From the file, or from the options."""
    from app.cohort.learn.plan import parse_plan, read_plan

    if arguments.plan is not None:
        names = (*MANDATORY, *OPTIONAL)
        given = [
            f"--{name}" for name in names
            if getattr(arguments, (dest := name.replace("-", "_"))) != arguments.default_of(dest)
        ]  # fmt: skip
        if given:
            raise UsageError(
                f"{', '.join(given)} beside --plan: the plan holds all of this.",
                "Write it into the plan, or leave --plan out.",
                code="cli.plan_and_options",
            )
        return read_plan(arguments.plan)
    stated = {name: getattr(arguments, name.replace("-", "_")) for name in MANDATORY}
    missing = [f"--{name}" for name, value in stated.items() if not value]
    if missing:
        raise UsageError(
            f"Missing: {', '.join(missing)}.",
            "They travel with the model, so they are mandatory; or give --plan FILE.toml.",
            code="cli.missing",
        )
    return parse_plan(_values(arguments, stated))


def _values(arguments: Namespace, given: dict[str, str]) -> dict[str, Any]:
    from app.cohort.learn.definition import parse_definition

    definition = parse_definition(given["definition"])
    lower = definition.direction in ("decrease", "below")
    outcome: dict[str, Any] = {
        "column": given["label"],
        "kind": arguments.kind or "label",
        "scale": arguments.scale or definition.scale,
        "direction": "lower_is_better" if lower else "higher_is_better",
    }
    if arguments.baseline:
        outcome["baseline_column"] = arguments.baseline
    if arguments.primary:
        outcome["primary"] = arguments.primary
    rivals = [name for name in arguments.rival or RIVALS if name != arguments.model]
    return {
        "name": f"{given['drug']}, {given['time-point']}",
        "outcome": outcome,
        "responder": {
            "definition": given["definition"],
            "secondary": arguments.secondary or _standard(arguments, definition),
            "time_point": given["time-point"],
        },
        "treatment": {
            "drug": given["drug"],
            "dose": given["dose"],
            "route": given["route"],
            "arm": given["arm"],
            "comparator": given["comparator"],
            "control_arm_modelled": False,
        },
        "population": {
            "description": given["population"],
            "age_range_years": _ages(given["age-range"]),
        },
        "estimand": {
            "statement": given["estimand"],
            "rescue_medication": given["rescue-medication"],
            "drop_out": given["drop-out"],
        },
        "models": {"headline": arguments.model, "rivals": rivals},
        "recipe": {"harmonise": arguments.harmonise},
        "protocol": {
            "repeats": arguments.repeats,
            "permutations": arguments.permutations,
            "seed": arguments.seed,
            "calibration": arguments.calibration,
        },
        "arms": {"control": arguments.control_arm},
        "select": dict(_selected(text) for text in arguments.select),
    }


def _standard(arguments: Namespace, primary: Definition) -> list[str]:
    """The other customary definitions of a pain score, where the columns can tell them."""
    if arguments.kind not in ("post", "percent_improvement") or primary.direction != "decrease":
        return []
    if arguments.kind == "post" and not arguments.baseline:
        return []
    texts = [f"{primary.scale} fall >= {limit} %" for limit in (20, 30, 50)]
    if arguments.kind == "post" and "100" not in (arguments.scale or primary.scale):
        texts.append(f"{primary.scale} < 4")
    same = (primary.threshold, primary.unit)
    return [
        text
        for text, limit in zip(texts, (20.0, 30.0, 50.0, None), strict=False)
        if (limit, "percent") != same
    ]


def _ages(text: str) -> list[float]:
    low, _, high = text.partition("-")
    try:
        return [float(low), float(high)]
    except ValueError as error:
        raise UsageError(
            f"'{text[:20]}' is no range of ages.", "Write it as 18-80.", code="cli.ages"
        ) from error


def _selected(text: str) -> tuple[str, list[str]]:
    column, sign, values = text.partition("=")
    if not sign or not column or not values:
        raise UsageError(
            f"'{text[:40]}' selects nothing.", "Write it as COLUMN=VALUE.", code="cli.select"
        )
    return column, values.split(",")


def summary_lines(figures: dict[str, Any]) -> list[str]:
    """What a terminal is told: the primary outcome first, then definitions, flags, deviations."""
    from app.cohort.learn.primary_words import (
        continuous_lines,
        is_continuous,
        responder_lines,
        spread,
    )

    first, second = continuous_lines(figures), responder_lines(figures)
    rivals = [
        f"  {name}: AUROC {spread(one['auroc'], one['auroc_interval'])}"
        for name, one in figures["models"].items()
    ]
    second = [*second, "all models on the same folds:", *rivals]
    parts = [("Responder definitions", second)]
    if is_continuous(figures):
        parts.insert(0, (f"Primary outcome: {figures['primary']['words']}", first))
        parts[1] = ("Secondary: responder definitions", second)
    elif first:
        parts.append(("Beside it: the continuous outcome", first))
    lines = [
        figures["statement"],
        f"plan {figures['plan_sha256'][:16]}, locked {figures['plan_locked_utc']}",
    ]
    for title, told in parts:
        lines += [title, *(f"  {line}" for line in told)]
    lines += [f"! {text}" for text in figures["flags"]]
    lines += [
        f"deviation: {one['what']}: planned {one['planned']}, done {one['done']}. {one['reason']}"
        for one in figures["deviations"]
    ]
    return lines
