"""The studies of `cohorts.py` by the names that `run.py` knows."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.accuracy import cohorts
from tests.accuracy.cohort_attribution import attribution_record, summarise_attribution
from tests.accuracy.cohort_novelty import (
    corruption_record,
    false_alarms,
    guarded,
    summarise_corruptions,
)
from tests.accuracy.cohort_pretraining import (
    pretraining_record,
    summarise_pretraining,
    table_of,
)
from tests.accuracy.cohort_recipe import COHORTS, recipe_record, summarise_recipe

MODELS, NEWCOMERS = 4, 250  # of `corruptions`: models, and clean people asked of each

Records = list[dict[str, Any]]
Keep = Callable[[argparse.Namespace, Callable[[int], dict[str, Any]]], Records]


def null(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Null cohorts: are p values uniform?"""
    pool = cohorts.main_pool(_pool(options))
    work = options.out.parent / "work"
    make = partial(
        _null, pool, work, people=40, permutations=59, of_covariates=199
    )  # fmt: skip
    return cohorts.summarise_null(keep(options, make))


def _null(pool: cohorts.Pool, work: Path, seed: int, **sizes: int) -> dict[str, Any]:
    return cohorts.null_record(pool, seed, work, **sizes)


def calibration(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Calibration slope of many cohorts' models in many new people."""
    pool = cohorts.main_pool(_pool(options))
    return cohorts.summarise_calibration(
        keep(options, lambda seed: cohorts.calibration_record(pool, seed, people=200))
    )


def conformal(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Coverage of many cohorts' conformal sets in many new people."""
    pool = cohorts.main_pool(_pool(options))
    return cohorts.summarise_conformal(
        keep(options, lambda seed: cohorts.conformal_record(pool, seed, people=100))
    )


def fusion(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Fused beside each branch, where both, one or nothing carries the label."""
    pools = cohorts.scenario_pools(_pool(options), 1000)
    work = options.out.parent / "work"
    return cohorts.summarise_fusion(
        keep(options, lambda seed: cohorts.fusion_record(pools, seed, work, people=100))
    )


def confounds(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Cohorts whose label is carried by age, pain, motion, site, or nothing."""
    pools = cohorts.confound_pools(_pool(options), 1000)
    work = options.out.parent / "work"
    return cohorts.summarise_confounds(
        keep(options, lambda seed: cohorts.confound_record(pools, seed, work, people=100))
    )


def attribution(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Models of growing cohorts: what their attributions rank."""
    pool = cohorts.main_pool(_pool(options))
    sizes = (100, 300, 1000, cohorts.POOL)

    def make(seed: int) -> dict[str, Any]:
        people = sizes[(seed - 1) % len(sizes)]
        return attribution_record(pool, seed, people=people, tested=cohorts.TEST, explained=6)

    return summarise_attribution(keep(options, make))


def corruptions(options: argparse.Namespace, keep: Keep) -> list[str]:
    """38 kinds of corruption in five severities: does novelty catch what shifts the answer?"""
    models = [guarded(200, 801 + number) for number in range(MODELS)]
    records = keep(options, lambda seed: corruption_record(models[seed % MODELS], seed))
    alarms = [false_alarms(model, NEWCOMERS, 900 + n) for n, model in enumerate(models)]
    return [
        *summarise_corruptions(records, float(np.mean(alarms)), MODELS * NEWCOMERS),
        "false alarms by model: " + ", ".join(f"{100 * one:.1f} %" for one in alarms),
    ]


def pretraining(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Learning curve of the pre-trained encoder beside one never trained."""
    tables = {"dynamics only": table_of("dynamics only", 240, _pool(options))}
    return summarise_pretraining(
        keep(options, lambda seed: pretraining_record(tables, seed, tested=120))
    )


def recipe(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Kept features of people who went through the whole recipe, judged as a user's cohort is."""
    names, work = tuple(COHORTS), options.out.parent / "work"
    options.cohorts = len(names)

    def make(seed: int) -> dict[str, Any]:
        found = recipe_record(names[seed - 1], work, permutations=99, repeats=5, seed=1)
        return {"seed": seed, **found}

    return summarise_recipe(keep(options, make))


def _pool(options: argparse.Namespace) -> Path:
    return Path(options.out.parent / "pool")


COHORT_STUDIES = {
    study.__name__: study
    for study in (
        null, calibration, conformal, fusion, confounds, attribution, corruptions, pretraining,
        recipe,
    )
}  # fmt: skip
