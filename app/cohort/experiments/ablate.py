"""`experiment ablate`: which part of the fused model earns its place?

Parts are taken away or replaced one at a time; everything else - people, folds, seeds - stays. The
fused model is the headline, every variant is judged on the same splits, and the difference to the
fused model with its interval is the answer. Variants whose input a cohort lacks (volumes, raw
series) are named with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cohort.experiments.other_inputs import RawSeries, Volumes, with_raw, with_volumes
from app.cohort.experiments.running import (
    DataSet,
    Run,
    contenders_of,
    evaluated,
    labelled,
    report_of,
    with_choice,
    workshop_of,
)
from app.cohort.learn.contender import Contender
from app.cohort.learn.contenders import FMM_TC, Workshop
from app.cohort.learn.primary_words import is_continuous
from app.core.errors import AppError
from app.core.progress import Progress
from app.reporting.evaluation.facts import MODEL, PlainTable

FAITHFUL, STRUCTURAL = "fmm-tc-faithful", "fmm-tc-structural"
BASELINE_RIVALS = ("majority", "age-sex-motion", "covariates", "pearson-logistic")


@dataclass(frozen=True, slots=True)
class Part:
    """One question and the variants that answer it."""

    id: str
    question: str
    variants: tuple[tuple[str, str], ...]  # model, what is different


PARTS: tuple[Part, ...] = (
    Part(
        "branches",
        "Does fusion help?",
        (
            ("fmm-tc-series", "time series only"),
            ("fmm-tc-connectivity", "connectivity only"),
        ),
    ),
    Part(
        "foundation",
        "Does pre-training of the encoder help?",
        (
            ("fmm-tc-random", "encoder random and frozen, fused"),
            ("fmm-tc-scratch", "encoder trained from scratch, fused"),
            ("fmm-tc-series-random", "encoder random and frozen, time series only"),
            ("fmm-tc-series-scratch", "encoder trained from scratch, time series only"),
        ),
    ),
    Part(
        "fusion",
        "Does the kind of fusion matter?",
        (("fmm-tc-gated", "gated fusion"), ("fmm-tc-late", "late fusion")),
    ),
    Part("connectivity", "Does tangent space help?", (("fmm-tc-tangent", "tangent connectivity"),)),
    Part(
        "mode",
        "Faithful or corrected?",
        ((FAITHFUL, "as released (raw series, Gram matrix, ResNet-18), our protocol"),),
    ),
    Part(
        "structural",
        "Does the structural branch help?",
        ((STRUCTURAL, "45 FreeSurfer volumes as a third input"),),
    ),
)
CHOICE = "the experiment judges the fused model beside its own variants"
QUICK = ("branches",)  # parts that are asked for unless others are named


@dataclass(frozen=True, slots=True)
class Extras:
    """Inputs that a prepared cohort does not hold."""

    volumes: Volumes | None = None
    raw: RawSeries | None = None


def parts_of(names: Sequence[str]) -> tuple[Part, ...]:
    """Parts by their ids.

    Raises
    ------
    AppError
        ``experiment.part`` for an unknown one.
    """
    known = {one.id: one for one in PARTS}
    for name in names:
        if name not in known:
            raise AppError(
                f"There is no part '{name[:40]}' to take away.",
                f"Known: {', '.join(known)}.",
                code="experiment.part",
            )
    return tuple(one for one in PARTS if one.id in names)


def run_ablate(
    data: DataSet, parts: Sequence[Part], extras: Extras, run: Run, progress: Progress
) -> tuple[Path, ...]:
    """Judge the fused model and the variants of some parts, and write everything."""
    variants = [name for part in parts for name, _ in part.variants]
    names = (FMM_TC, *variants, *BASELINE_RIVALS)
    cohort = with_choice(labelled(data, run.out, progress), names, CHOICE)
    workshop = workshop_of(cohort, names, run)
    plain, refused = contenders_of(
        workshop, [name for name in names if name not in (FAITHFUL, STRUCTURAL)]
    )
    special: list[Contender] = []
    for name in variants:
        if name not in (FAITHFUL, STRUCTURAL):
            continue
        try:
            special.append(_special(name, workshop, extras, cohort.identifiers))
        except AppError as error:
            refused[name] = error.message
    contenders = (*plain, *special)
    evaluation = evaluated(cohort, contenders, run, progress, workshop)
    return report_of(
        evaluation,
        run,
        "experiment: ablate",
        progress,
        refused=refused,
        roles={name: MODEL for name in evaluation.models if name in (FMM_TC, *variants)},
        tables=ablation_tables(evaluation.figures, parts, refused),
        summary=(
            "A variant beside the fused model answers its part's question only where the interval "
            "of the difference leaves 0 out.",
        ),
    )


def _special(
    name: str, workshop: Workshop, extras: Extras, identifiers: Sequence[str]
) -> Contender:
    if name == STRUCTURAL:
        if extras.volumes is None:
            raise _lacking("FreeSurfer volumes (--volumes TABLE)")
        return with_volumes(workshop, extras.volumes, identifiers)
    if extras.raw is None:
        raise _lacking("raw parcel series: the case folders of the run (--cases DIR)")
    return with_raw(workshop, extras.raw, identifiers)


def ablation_tables(
    figures: dict[str, Any], parts: Sequence[Part], refused: dict[str, str]
) -> tuple[PlainTable, ...]:
    """Part by part, the primary outcome first: a variant's figure, the fused model's minus it.

    The continuous outcome is compared by R2, the responder definition by AUROC.
    """
    responder = _table(
        "What each part of the fused model adds", "AUROC", parts, figures, refused,
        figures["models"], {name: one["auroc"] for name, one in figures["comparisons"].items()},
        "auroc",
    )  # fmt: skip
    if not is_continuous(figures):
        return (responder,)
    found = figures["continuous"]
    change = _table(
        "What each part adds to the primary outcome", "R\N{SUPERSCRIPT TWO}", parts, figures,
        refused, found["models"],
        {name: one["r_squared"] for name, one in found["comparisons"].items()}, "r_squared",
    )  # fmt: skip
    return change, responder


def _table(
    title: str,
    metric: str,
    parts: Sequence[Part],
    figures: dict[str, Any],
    refused: dict[str, str],
    models: dict[str, Any],
    compared: dict[str, Any],
    key: str,
) -> PlainTable:
    rows = []
    for part in parts:
        for name, words in part.variants:
            model = models.get(name)
            if model is None:
                why = refused.get(name) or next(
                    (
                        one["reason"]
                        for one in figures["deviations"]
                        if one["what"].startswith("models") and one["planned"] == name
                    ),
                    "not judged",
                )
                rows.append((part.question, words, "–", "–", why))
                continue
            found = compared[name]
            rows.append(
                (part.question, words, _interval(model[key], model[f"{key}_interval"]),
                 _interval(found["difference"], found["interval"], signed=True),
                 verdict(found["interval"]))
            )  # fmt: skip
    return PlainTable(
        title,
        ("Question", "Variant", f"Its {metric}", "Fused minus it", "What follows"),
        tuple(rows),
        align="llrrl",
        widths=(1.5, 1.9, 1.3, 1.4, 1.5),
    )


def verdict(interval: Sequence[float] | None) -> str:
    """What the interval of "fused minus variant" allows to be said."""
    if interval is None:
        return "nothing: no interval"
    if interval[0] > 0:
        return "the fused model is better here"
    if interval[1] < 0:
        return "the variant is better here"
    return "no difference shown"


def _interval(
    value: float | None, interval: Sequence[float] | None, *, signed: bool = False
) -> str:
    if value is None:
        return "–"
    form = "+.2f" if signed else ".2f"
    text = f"{value:{form}}"
    if interval is not None:
        text += f" ({interval[0]:{form}} to {interval[1]:{form}})"
    return text.replace("-", "\N{MINUS SIGN}")


def _lacking(what: str) -> AppError:
    return AppError(f"This needs {what}.", "Give it, or leave the part out.",
                    code="experiment.input")  # fmt: skip
