"""`experiment ds000208 FOLDER`: the public knee osteoarthritis data set, whole and honestly.

Three arms that are never pooled, three responder definitions each, every rival that the data allow
beside the model, one report an arm and definition and one over all of them. What is too small to be
split is said to be too small; nothing is pooled to make it larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.cohort.batch import BatchRequest, default_engine, plan_batch, run_batch
from app.cohort.engine_settings import EngineSettings
from app.cohort.experiments.ds000208_report import Cell, overview_facts
from app.cohort.experiments.ds000208_table import (
    ARMS,
    CONDITION,
    POPULATION,
    THRESHOLDS_PERCENT,
    Arm,
    Table,
    normalised_tsv,
    read_table,
)
from app.cohort.experiments.running import (
    DataSet,
    Run,
    contenders_of,
    evaluated,
    labelled,
    report_of,
    reported,
    workshop_of,
)
from app.cohort.learn.plan import Plan, parse_plan
from app.cohort.visit_run import PREPARED
from app.core.errors import AppError, CancelledError
from app.core.progress import Progress
from app.study.files import storage_errors

TABLE = "participants.tsv"
RESULTS = "knee-osteoarthritis"  # so that the condition stands in every path
SCANS = "scans"
MODELS = (
    "pearson-logistic", "majority", "age", "age-sex", "motion", "age-sex-motion", "covariates",
    "pearson-ridge", "tangent-logistic", "connectome-predictive", "encoder-logistic",
)  # fmt: skip
# Arms have 17 to 20 people, at 20 % 8 to 10 of them responders, and patients move: each withheld
# scan takes one away. These folds need 6 of each class where 5 and 4 need 8. They are the same for
# every arm and definition, whoever is left.
FOLDS = {"outer_folds": 6, "inner_folds": 5}
TOO_SMALL = ("cohort.too_few", "cohort.classes", "cohort.people")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is asked; the defaults are those of the command."""

    folder: Path
    prepared: Path | None = None  # scans that went through `bids` already
    models: tuple[str, ...] = MODELS
    thresholds: tuple[int, ...] = THRESHOLDS_PERCENT
    arms: tuple[Arm, ...] = ARMS
    protocol: dict[str, Any] = field(default_factory=dict)  # of the plan
    preset: str = "simple-highpass"
    atlas: str = "HCPEx"
    engine: EngineSettings = field(default_factory=EngineSettings)
    model_id: str = "simulated-demo"  # decides atlas and cleaning of the scans


def run_ds000208(recipe: Recipe, run: Run, progress: Progress) -> tuple[Path, ...]:
    """Everything, from the folder to the reports.

    Returns
    -------
    Files of the report over all arms; each arm's own lie below ``knee-osteoarthritis/``.

    Raises
    ------
    AppError
        ``ds000208.table``, ``ds000208.response``; whatever `run_batch` ends with.
    CancelledError
        What is done is kept; the same command goes on.
    """
    folders = sorted(path.name for path in recipe.folder.glob("sub-*") if path.is_dir())
    table = read_table(recipe.folder / TABLE, folders)
    with storage_errors():
        run.out.mkdir(parents=True, exist_ok=True)
        (run.out / TABLE).write_text(normalised_tsv(table.people), encoding="utf-8")
    scans = recipe.prepared or _scans(recipe, table, run, progress)
    cells = []
    jobs = [(arm, limit) for arm in recipe.arms for limit in recipe.thresholds]
    for arm, limit in jobs:
        cells.append(_judged(arm, limit, scans, recipe, table, run, progress))
    facts = overview_facts(cells, table, run.command)
    return reported(facts, run, progress)


def _scans(recipe: Recipe, table: Table, run: Run, progress: Progress) -> Path:
    """Scans of the arms that are asked for; those that are done are not done again."""
    request = BatchRequest(
        recipe.folder,
        run.out / SCANS,
        participants=tuple(one.label for one in table.people if one.arm() in recipe.arms),
        model_id=recipe.model_id,
        attribution=False,
    )
    plan = plan_batch(request)
    run_batch(plan, default_engine(recipe.engine, plan), progress)
    prepared = run.out / SCANS / PREPARED
    if not any(prepared.glob("*.npz")):
        raise AppError(
            "No scan of the patients in this folder could be used.",
            "Patients' scans are looked for as sub-*/func/*_bold.nii.gz; scans/results.tsv in the "
            "result folder tells each one's reason.",
            code="ds000208.scans",
        )
    return prepared


def plan_of(arm: Arm, limit: int, recipe: Recipe) -> Plan:
    """The plan of one arm and one definition; the others are declared beside it."""
    text = f"VAS fall >= {limit} %"
    return parse_plan(
        {
            "name": f"ds000208, {arm.words}, {text}",
            "outcome": {
                "column": "vas_fall",
                "kind": "percent_improvement",
                "scale": "VAS pain",
            },
            "responder": {
                "definition": text,
                "secondary": [f"VAS fall >= {one} %" for one in recipe.thresholds if one != limit],
                "time_point": arm.time_point,
            },
            "treatment": {
                "drug": arm.drug,
                "dose": "as published" if arm.drug == "duloxetine" else "none",
                "route": "oral",
                "arm": arm.id,
                "comparator": "none in this analysis",
                "control_arm_modelled": False,
            },
            "population": {
                "description": f"{POPULATION}: knee osteoarthritis, not neuropathic pain",
                "age_range_years": [18.0, 100.0],
            },
            "estimand": {
                "statement": "Fall of VAS pain in percent of baseline in people with an outcome; "
                "people without one take no part",
                "rescue_medication": "not in the published table",
                "drop_out": "not in the published table",
            },
            "models": {"headline": recipe.models[0], "rivals": list(recipe.models[1:])},
            "recipe": {"atlas": recipe.atlas, "preset": recipe.preset},
            "protocol": FOLDS | recipe.protocol,
            "columns": {"age_years": "age", "sex": "sex", "arm": "arm"},
            "select": {"arm": [arm.id]},
        }
    )


def _judged(
    arm: Arm, limit: int, scans: Path, recipe: Recipe, table: Table, run: Run, progress: Progress
) -> Cell:
    """One arm and definition; a refusal for its size becomes the cell's reason."""
    falls = [one.vas_percent for one in table.of_arm(arm) if one.vas_percent is not None]
    responders = sum(fall >= limit for fall in falls)
    cell = Cell(arm, limit, len(falls), responders)
    out = run.out / RESULTS / arm.id / f"vas-fall-{limit}-percent"
    inner = replace(run, out=out, cache=run.features)
    data = DataSet(scans, run.out / TABLE, plan_of(arm, limit, recipe))
    try:
        cohort = labelled(data, out, progress)
        workshop = workshop_of(cohort, recipe.models, inner)
        contenders, refused = contenders_of(workshop, recipe.models)
        evaluation = evaluated(cohort, contenders, inner, progress, workshop)
    except CancelledError:
        raise
    except AppError as error:
        if error.code not in TOO_SMALL:
            raise
        return replace(cell, refused=error.message)
    report_of(
        evaluation,
        inner,
        f"ds000208: {arm.words}, VAS fall ≥ {limit} %",
        progress,
        refused=refused,
        condition=CONDITION,
    )
    figures = evaluation.figures
    return replace(
        cell,
        judged=len(cohort),
        judged_responders=int(cohort.labels.sum()),
        figures=figures,
    )


def arms_of(names: Sequence[str]) -> tuple[Arm, ...]:
    """Arms by their ids; all when none is named.

    Raises
    ------
    AppError
        ``ds000208.arm``.
    """
    known = {arm.id: arm for arm in ARMS}
    for name in names:
        if name not in known:
            raise AppError(
                f"There is no arm '{name[:40]}'.", f"Known: {', '.join(known)}.",
                code="ds000208.arm",
            )  # fmt: skip
    return tuple(arm for arm in ARMS if arm.id in names) or ARMS
