"""The report over all arms and definitions of ds000208."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.cohort.experiments.ds000208_table import (
    ARMS,
    CONDITION,
    DATASET,
    POPULATION,
    PUBLISHED_PERCENT,
    Arm,
    Table,
)
from app.cohort.experiments.running import finished_utc
from app.cohort.learn.primary_words import p_text, spread
from app.reporting.evaluation.facts import (
    EvaluationFacts,
    PlainTable,
)

SHOWN = (
    "majority", "age", "motion", "age-sex-motion", "pearson-logistic", "tangent-logistic",
)  # fmt: skip
NOT_SHOWN = (
    "headline", "calibration", "confusion", "decision", "learning", "groups", "confounds",
    "permutation", "screening", "conformal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm and definition."""

    arm: Arm
    limit: int  # percent
    people: int  # of the table
    responders: int
    judged: int = 0  # people whose scan could be used
    judged_responders: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""


def overview_facts(cells: Sequence[Cell], table: Table, command: str) -> EvaluationFacts:
    """Arms by definitions, and where each one's own report lies."""
    patients = [one for one in table.people if one.arm() is not None]
    arms = tuple(dict.fromkeys(cell.arm for cell in cells))
    asked = [one for one in patients if one.arm() in arms]
    published = sum(bool(one.response) for one in asked)
    judged = [cell for cell in cells if cell.figures]
    with_gain = [cell for cell in judged if not math.isnan(_gain(cell)[0])]
    better = [cell for cell in with_gain if _gain(cell)[1] > 0]
    simulated = bool(judged) and all(bool(cell.figures["simulated"]) for cell in judged)
    return EvaluationFacts(
        title="experiment: ds000208",
        subject=f"{DATASET}, {len(table.people)} participants, {len(patients)} patients",
        simulated=simulated,
        condition=CONDITION,
        question=(
            ("Treatment", "; ".join(arm.words for arm in arms)),
            (
                "Arm",
                "each by itself, never pooled across treatments or time points"
                + ("" if len(arms) == len(ARMS) else "; the other arms were not asked for"),
            ),
            ("Responder definition", "; ".join(sorted({f"VAS fall ≥ {c.limit} %" for c in cells}))),
            ("Time point", " or ".join(dict.fromkeys(_time_point(arm) for arm in arms))),
            ("Population", POPULATION),
            ("Estimand", "fall of VAS pain in percent of baseline in people with an outcome"),
        ),
        people=len(asked),
        responders=published,
        competitors=(),
        command=command,
        summary=(
            f"{len(judged)} of {len(cells)} combinations of arm and definition could be judged; "
            f"in {len(better)} of {len(with_gain)} with a gain over the best covariate-only rival "
            "its interval lies above 0. One look in forty would by chance.",
            "Age, sex and motion may rank response by themselves (table of image-free rivals): a "
            "brain model that does not beat them has shown nothing.",
            "Each combination has its own folder and report: "
            "knee-osteoarthritis/ARM/vas-fall-N-percent/report.",
        ),
        base_rates="; ".join(
            f"{cell.arm.words}, VAS fall ≥ {cell.limit} %: {cell.responders} of {cell.people}"
            for cell in cells
        ),
        tables=(*_change_table(judged), _cells_table(cells), *_models_table(judged)),
        limitations=(
            "Knee osteoarthritis, not neuropathic pain; two of three arms are placebo.",
            "Response without a control arm is not drug effect; the placebo arm of the same study "
            "is judged apart and is not subtracted.",
            "17 to 20 people an arm: an interval of an AUROC spans about ± 0.3.",
        ),
        answers={
            "1": f"Development with internal validation of models of response in {POPULATION}.",
            "4": "To see whether resting-state connectivity says more than age, sex and motion.",
            "5": f"{DATASET} version 1.0.1 (CC0), doi 10.18112/openneuro.ds000208.v1.0.1.",
            "8": f"VAS analgesia in percent; the published response is {PUBLISHED_PERCENT} % or "
            "more, checked against the score.",
            "11": "; ".join(table.notes) or "None noted.",
            "17": "Published data set; ethics in the publication (Tétreault et al. 2016).",
            "18": "Data CC0; code Apache-2.0; plans locked by hash in each combination's folder.",
            "20": "Table of arms and definitions.",
            "24": "Not applicable: no model was updated.",
            "26": "Section Result, Limits.",
        },
        missing=dict.fromkeys(NOT_SHOWN, "See the report of each arm and definition."),
        no_plan="Each arm and definition has a plan of its own, locked before its labels were "
        "read; hash and deviations stand in its report.",
        finished_utc=finished_utc(),
    )


def _time_point(arm: Arm) -> str:
    return f"{arm.time_point} (study {arm.study})"


def _change_table(cells: Sequence[Cell]) -> tuple[PlainTable, ...]:
    """The primary outcome: the fall itself, which no definition cuts; a row an arm."""
    rows = []
    for arm in dict.fromkeys(cell.arm for cell in cells):
        figures = next(cell.figures for cell in cells if cell.arm == arm)
        found = figures.get("continuous")
        if not found:
            continue
        one = found["models"][found["headline"]]
        rows.append(
            (
                arm.words, str(found["known"]),
                *(_with_interval(one, name) for name in ("r_squared", "r", "absolute_error")),
                _permuted(found),
            )
        )  # fmt: skip
    if not rows:
        return ()
    return (
        PlainTable(
            "Primary outcome: the fall in percent",
            ("Arm (knee osteoarthritis)", "People", "R²", "Correlation", "Absolute error, %", "p"),
            tuple(rows),
            "Knee osteoarthritis. R² beyond the mean fall of the training people. 95 % intervals; "
            "p of a permutation over the whole loop.",
            align="lrrrrr",
            widths=(1.4, 0.6, 1.6, 1.6, 1.6, 0.8),
        ),
    )


def _with_interval(one: Mapping[str, Any], name: str) -> str:
    if one.get(name) is None:
        return "–"
    form = ".1f" if name == "absolute_error" else "+.2f"
    return spread(one[name], one[f"{name}_interval"], form).replace("-", "\N{MINUS SIGN}")


def _permuted(found: Mapping[str, Any]) -> str:
    test = found.get("permutation")
    return p_text(test["p_value"]).removeprefix("p = ") if test else "–"


def _cells_table(cells: Sequence[Cell]) -> PlainTable:
    rows = []
    for cell in cells:
        head = (cell.arm.words, f"≥ {cell.limit} %", str(cell.people), str(cell.responders))
        if cell.refused:
            rows.append((*head, "–", "–", cell.refused))
            continue
        model = cell.figures["models"][cell.figures["headline"]]
        rival = str(cell.figures["gain_over_covariates"]["rival"])
        gain, low, high = _gain(cell)
        difference = f"{_signed(gain)} ({_signed(low)} to {_signed(high)})" if gain == gain else "–"
        rows.append(
            (*head, _auroc(model), difference,
             f"{cell.judged} judged, {cell.judged_responders} of them responders; rival: "
             f"{cell.figures['models'].get(rival, {}).get('label', rival)}")
        )  # fmt: skip
    return PlainTable(
        "Arms and definitions",
        (
            "Arm (knee osteoarthritis)",
            "VAS fall",
            "People",
            "Responders",
            "AUROC",
            "Gain over covariates",
            "Remark",
        ),
        tuple(rows),
        "Knee osteoarthritis. People and responders: of the table. Gain: AUROC minus that of the "
        "best covariate-only rival, which counts as 0.5 at least. 95 % intervals.",
        align="llrrrrl",
        widths=(1.4, 0.7, 0.6, 0.9, 1.4, 1.6, 2.2),
    )


def _models_table(cells: Sequence[Cell]) -> tuple[PlainTable, ...]:
    if not cells:
        return ()
    rows = []
    for cell in cells:
        models = cell.figures["models"]
        rows.append(
            (
                f"{cell.arm.words}, ≥ {cell.limit} %",
                *(f"{models[n]['auroc']:.2f}" if _known(models, n) else "–" for n in SHOWN),
            )
        )
    return (
        PlainTable(
            "AUROC of image-free rivals and linear models",
            ("Arm and definition (knee osteoarthritis)", *SHOWN),
            tuple(rows),
            "Knee osteoarthritis. Without intervals; each report holds them.",
        ),
    )


def _known(models: Mapping[str, Any], name: str) -> bool:
    return name in models and models[name]["auroc"] is not None


def _auroc(model: Mapping[str, Any]) -> str:
    if model["auroc"] is None:
        return "–"
    interval = model["auroc_interval"]
    tail = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    return f"{model['auroc']:.2f}{tail}"


def _gain(cell: Cell) -> tuple[float, float, float]:
    """Over the best covariate-only rival, with its interval; NaN where there is none."""
    found = cell.figures["gain_over_covariates"]
    low, high = found["auroc_interval"] or (math.nan, math.nan)
    return (math.nan if found["auroc"] is None else found["auroc"]), low, high


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
