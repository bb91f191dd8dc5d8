"""Cohorts that went through the whole recipe: scans simulated, preprocessed, read by the encoder.

The features of the demonstration's 117 people and of its 104 people without any signature are kept
beside the tests (`tests/reference/simulated_demo`); they are judged here as a user's cohort is, by
nested folds. Which of them the demonstration held out plays no part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.learn.comparison import paired_difference
from app.cohort.learn.conformal import conformal_figures
from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.figures import draws_of, figures_of
from app.cohort.learn.permutation import permutation_test
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.learn.splits import splits_of
from app.core.progress import Progress
from tests.accuracy.cohort_pool import Pool
from tests.accuracy.cohort_tables import cohort_of, plan_of, table_contender

FEATURES = Path(__file__).resolve().parents[1] / "reference" / "simulated_demo"
COHORTS = {"with a signature": "features.npz", "without": "null_features.npz"}
FIGURES = ("auroc", "brier", "calibration_slope")
LEVEL = 0.9
Record = dict[str, Any]


def recipe_pool(name: str) -> Pool:
    """People of one of `COHORTS`; what was truly drawn of them is not read."""
    with np.load(FEATURES / COHORTS[name], allow_pickle=False) as archive:
        labels, covariates = archive["labels"].astype(bool), archive["covariates"]
        series, pairs = archive["series"].astype(float), archive["connectivity"].astype(float)
    age, female, fd, pain = covariates.T
    unknown = np.full((len(labels), 2), np.nan)
    return Pool(
        labels, pairs, series, unknown, unknown, age, female > 0, pain, fd,
        np.full(len(labels), "one site"),
    )  # fmt: skip


def recipe_record(name: str, folder: Path, *, permutations: int, repeats: int, seed: int) -> Record:
    """The fused model, each branch and the covariates on the same nested folds."""
    pool = recipe_pool(name)
    labels, plan = pool.responder, plan_of(seed=seed, repeats=repeats)
    cohort = cohort_of(pool, labels, plan, one_site=True)
    splits = splits_of(cohort)
    covariates = np.stack([pool.age_years, pool.female, pool.mean_fd_mm, pool.baseline_pain], 1)
    fused = table_contender("fused", pool.connectivity, pool.dynamics)
    contenders = [
        fused,
        table_contender("connectivity", pool.connectivity),
        table_contender("series", pool.dynamics),
        table_contender("covariates", covariates / covariates.std(axis=0), classifier="plain"),
    ]
    made = evaluate(cohort, contenders, folder / name.replace(" ", "-"), splits=splits)
    draws = draws_of(cohort.identifiers, 1000, seed)
    found: Record = {"name": name, "people": len(labels), "responders": int(labels.sum())}
    for one, model in made.models.items():
        found[one] = figures_of(model.scores, labels, draws, FIGURES, 0.5)
        if one != "fused":
            found[one]["fused minus it"] = paired_difference(
                "auroc", made.models["fused"], model, labels, draws, 0.5
            )
    scores = made.models["fused"].scores
    assert scores.fold is not None
    found["conformal"] = conformal_figures(scores.probability, labels, scores.fold, LEVEL)
    tested = permutation_test(
        fused, cohort, splits, ResultFolder(folder / "permuted" / name.replace(" ", "-")),
        Progress(), permutations=permutations, seed=seed,
    )  # fmt: skip
    return found | {"p": tested.p_value, "permutations": permutations, "repeats": repeats}


def summarise_recipe(records: list[Record]) -> list[str]:
    """One line a cohort and model."""
    lines = []
    for record in records:
        own = record["fused"]
        slope, conformal = own["calibration_slope"], record["conformal"]
        lines.append(
            f"{record['name']}: {record['people']} people ({record['responders']} responders), "
            f"{record['repeats']} repeats; fused AUROC {_with(own, 'auroc')}, permutation p "
            f"{record['p']:.3f} of {record['permutations']}, Brier {own['brier']:.3f}, calibration "
            f"slope {'–' if slope is None else _with(own, 'calibration_slope')}, coverage at "
            f"{LEVEL:.2f}: {conformal['coverage']:.2f}"
        )
        for one in ("connectivity", "series", "covariates"):
            gain = record[one]["fused minus it"]
            low, high = gain["interval"]
            lines.append(
                f"  {one}: AUROC {_with(record[one], 'auroc')}; fused minus it "
                f"{gain['difference']:+.2f} ({low:+.2f} to {high:+.2f})"
            )
    return lines


def _with(figures: Record, name: str) -> str:
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.2f} ({low:.2f} to {high:.2f})"
