"""Is what the program says of a cohort true? Many simulated cohorts, judged by its own code.

Cohorts are drawn from a pool of people at parcel level (`cohort_pool.py`). A record is one cohort;
`summarise_…` says in words what the records hold. The evaluation, the permutation test, the
conformal sets and the confound checks are those of `app/cohort/learn`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.calibration import calibrated, fit_platt
from app.cohort.learn.comparison import paired_difference
from app.cohort.learn.conformal import conformal_figures, conformal_scores
from app.cohort.learn.confounds import covariate_check, site_check
from app.cohort.learn.contender import Inputs
from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.figures import calibration_slope_of, draws_of, value_of
from app.cohort.learn.permutation import permutation_test
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.learn.splits import Fold, nested_splits, splits_of
from app.cohort.metrics import auroc
from app.core.progress import Progress
from app.simulation.cohort import CohortSettings
from tests.accuracy.cohort_pool import Pool, pool_of
from tests.accuracy.cohort_tables import cohort_of, part_of, plan_of, table_contender

Record = dict[str, Any]
SEED = 701
POOL, TEST = 4000, 2000  # people cohorts are drawn from, and others whom none of them sees
SIGNIFICANT = 0.05
MOST_SIGNIFICANT = 17  # of 200: what a valid test exceeds in less than 2 % of cases
CONFOUNDS = ("age", "baseline_pain", "motion", "site")
SCENARIOS = {  # what carries the label: strengths of both traits
    "both": (1.0, 1.0),
    "connectivity only": (1.0, 0.0),
    "dynamics only": (0.0, 1.0),
    "nothing": (0.0, 0.0),
}


def main_pool(folder: Path, people: int = POOL + TEST) -> Pool:
    """The pool with both traits planted."""
    return pool_of(CohortSettings(seed=SEED), people, folder)


def drawn(pool: Pool, seed: int, count: int, upto: int) -> np.ndarray:
    """Rows of one cohort, drawn without replacement among the first `upto`."""
    return np.random.default_rng([seed, 11]).permutation(upto)[:count]


# ------------------------------------------------------------------ null cohorts


def null_record(
    pool: Pool,
    seed: int,
    folder: Path,
    *,
    people: int,
    permutations: int,
    of_covariates: int,
    upto: int = POOL,
) -> Record:
    """Labels that mean nothing, for a brain model and for one of covariates alone."""
    rows = drawn(pool, seed, people, upto)
    part, rng = pool.rows(rows), np.random.default_rng([seed, 12])
    labels = np.zeros(people, bool)
    labels[rng.permutation(people)[: round(0.45 * people)]] = True
    cohort = cohort_of(part, labels, plan_of(seed=seed), one_site=True)
    splits = splits_of(cohort)
    found: Record = {"seed": seed, "people": people}
    covariates = np.stack([part.age_years, part.female, part.mean_fd_mm], axis=1)
    scaled = table_contender("covariates", covariates / covariates.std(axis=0), classifier="plain")
    for contender, count in ((part_of(_fused(pool), rows), permutations), (scaled, of_covariates)):
        result = permutation_test(
            contender, cohort, splits, ResultFolder(folder / f"null-{seed}"), Progress(),
            permutations=count, seed=seed,
        )  # fmt: skip
        found[contender.id] = {
            "auroc": result.auroc, "p": result.p_value, "permutations": count,
        }  # fmt: skip
    return found


def summarise_null(records: list[Record]) -> list[str]:
    """Uniformity of p, and how many are small."""
    from scipy.stats import kstest

    lines = []
    for name in ("fused", "covariates"):
        p = np.array([record[name]["p"] for record in records])
        area = np.array([record[name]["auroc"] for record in records])
        count = records[0][name]["permutations"]
        lines.append(
            f"{name}: {len(p)} null cohorts of {records[0]['people']}, {count} permutations each: "
            f"{int((p < SIGNIFICANT).sum())} with p < {SIGNIFICANT}, KS p "
            f"{kstest(spread_out(p, count), 'uniform').pvalue:.2f}, mean AUROC {area.mean():.3f}"
        )
    return lines


def spread_out(p: np.ndarray, permutations: int) -> np.ndarray:
    """p values of m permutations lie on a grid of 1/(m+1): spread within their step."""
    return p - np.random.default_rng(5).random(len(p)) / (permutations + 1)


# ------------------------------------------------------------------ calibration, conformal sets


def _answered(pool: Pool, seed: int, people: int, upto: int, tested: int) -> tuple[Any, ...]:
    """One cohort: log-odds of inner folds, and of people whom no cohort sees."""
    rows = drawn(pool, seed, people, upto)
    everybody = np.concatenate([rows, np.arange(len(pool) - tested, len(pool))])
    part = pool.rows(everybody)
    labels = part.responder
    cohort = cohort_of(part, labels, plan_of(seed=seed))
    inside, outside = np.arange(people), np.arange(people, len(part))
    split = nested_splits(
        [str(i) for i in inside], labels[inside], ["one site"] * people, outer_folds=5,
        inner_folds=4, repeats=1, seed=seed,
    )  # fmt: skip
    inner = tuple((one.training, one.test) for one in split)
    contender = part_of(_fused(pool), everybody)
    answer = contender.answer(
        Inputs.of(cohort), Fold(0, 0, inside, outside, inner), seed, Progress()
    )
    fold = np.empty(people, int)
    for one in split:
        fold[one.test] = one.number
    return answer, labels[inside], labels[outside], fold


def calibration_record(
    pool: Pool, seed: int, *, people: int, upto: int = POOL, tested: int = TEST
) -> Record:
    """Slope of one model's probabilities in many new people, and as 50 people would show it."""
    answer, labels, truth, _ = _answered(pool, seed, people, upto, tested)
    calibration = fit_platt(answer.inner, labels)
    probability = calibrated(calibration, answer.test)
    few = np.random.default_rng([seed, 13]).permutation(tested)[:50]
    slopes = calibration_slope_of(probability[None], truth[None])
    small = calibration_slope_of(probability[few][None], truth[few][None])
    return {
        "seed": seed,
        "people": people,
        "tested": tested,
        "slope": float(slopes[0]),
        "slope_of_50": float(small[0]),
        "auroc": auroc(answer.test, truth),
    }


def summarise_calibration(records: list[Record]) -> list[str]:
    """Mean slope, and what 50 people show of it."""
    slopes = np.array([r["slope"] for r in records], float)
    small = np.array([r["slope_of_50"] for r in records], float)
    known, few = slopes[np.isfinite(slopes)], small[np.isfinite(small)]
    return [
        f"{len(records)} cohorts of {records[0]['people']}, tested on {records[0]['tested']}: mean "
        f"slope {known.mean():.3f} (median {np.median(known):.3f}, 5 to 95 % of cohorts "
        f"{np.percentile(known, 5):.2f} to {np.percentile(known, 95):.2f}), mean AUROC "
        f"{np.mean([r['auroc'] for r in records]):.3f}; no slope in {len(slopes) - len(known)}",
        f"the same models on 50 people: 5 to 95 % {np.percentile(few, 5):.2f} to "
        f"{np.percentile(few, 95):.2f}, within 0.9 to 1.1 in "
        f"{100 * np.mean((few >= 0.9) & (few <= 1.1)):.0f} %",
    ]


def conformal_record(
    pool: Pool,
    seed: int,
    *,
    people: int,
    level: float = 0.9,
    upto: int = POOL,
    tested: int = TEST,
) -> Record:
    """Coverage of one cohort's sets in many new people, and of cross-conformal sets inside."""
    answer, labels, truth, fold = _answered(pool, seed, people, upto, tested)
    calibration = fit_platt(answer.inner, labels)
    scores = conformal_scores(calibrated(calibration, answer.inner), labels, level)
    sets = np.array([scores.set_of(float(p)) for p in calibrated(calibration, answer.test)])
    right = np.where(truth, np.isin(sets, ("{R}", "{both}")), np.isin(sets, ("{NR}", "{both}")))
    single = np.isin(sets, ("{R}", "{NR}"))
    inside = conformal_figures(
        calibrated(calibration, answer.inner)[None], labels, fold[None], level
    )
    return {
        "seed": seed,
        "people": people,
        "level": level,
        "coverage": float(right.mean()),
        "both": float((sets == "{both}").mean()),
        "empty": float((sets == "{}").mean()),
        "singletons_right": float(right[single].mean()) if single.any() else float("nan"),
        "coverage_inside": inside["coverage"],
    }


def summarise_conformal(records: list[Record]) -> list[str]:
    """Coverage beside the nominal one."""

    def of(name: str) -> np.ndarray:
        values = np.array([r[name] for r in records], float)
        return values[np.isfinite(values)]

    cover = of("coverage")
    return [
        f"{len(records)} cohorts of {records[0]['people']}, nominal {records[0]['level']:.2f}: "
        f"coverage in new people {cover.mean():.3f} on average (2.5 to 97.5 % of cohorts "
        f"{np.percentile(cover, 2.5):.2f} to {np.percentile(cover, 97.5):.2f}); inside, by folds, "
        f"{of('coverage_inside').mean():.3f}; {{both}} {100 * of('both').mean():.0f} %, empty "
        f"{100 * of('empty').mean():.1f} %, singletons right "
        f"{100 * of('singletons_right').mean():.0f} %"
    ]


# ------------------------------------------------------------------ fusion


def fusion_record(pools: dict[str, Pool], seed: int, folder: Path, *, people: int) -> Record:
    """Fused beside each branch alone, where both, one or nothing carries the label."""
    found: Record = {"seed": seed, "people": people}
    for number, (name, pool) in enumerate(pools.items()):
        rows = drawn(pool, seed + 1000 * number, people, len(pool))
        part = pool.rows(rows)
        labels = part.responder
        cohort = cohort_of(part, labels, plan_of(seed=seed))
        contenders = [
            part_of(_fused(pool), rows),
            part_of(table_contender("connectivity", pool.connectivity), rows),
            part_of(table_contender("dynamics", pool.dynamics), rows),
        ]
        evaluation = evaluate(
            cohort, contenders, folder / f"fusion-{seed}-{number}", splits=splits_of(cohort)
        )
        draws = draws_of(cohort.identifiers, 1000, seed)
        fused = evaluation.models["fused"]
        found[name] = {
            one: paired_difference("auroc", fused, evaluation.models[one], labels, draws, 0.5)
            for one in ("connectivity", "dynamics")
        }
        found[name]["auroc"] = {
            one: value_of("auroc", model.scores, labels, 0.5)
            for one, model in evaluation.models.items()
        }
    return found


def summarise_fusion(records: list[Record]) -> list[str]:
    """By scenario: mean AUROC, mean gain, and how often the interval says better or worse."""
    lines = []
    for name in (one for one in SCENARIOS if one in records[0]):
        mean = {
            one: np.mean([r[name]["auroc"][one] for r in records])
            for one in ("fused", "connectivity", "dynamics")
        }
        parts = []
        for one in ("connectivity", "dynamics"):
            rows = [r[name][one] for r in records]
            gain = np.array([row["difference"] for row in rows])
            low, high = np.array([row["interval"] for row in rows]).T
            parts.append(
                f"to {one} {gain.mean():+.3f}, better {int((low > 0).sum())}, worse "
                f"{int((high < 0).sum())}, interval holds the mean gain "
                f"{100 * np.mean((low <= gain.mean()) & (gain.mean() <= high)):.0f} %"
            )
        lines.append(
            f"{name}: AUROC fused {mean['fused']:.3f}, connectivity {mean['connectivity']:.3f}, "
            f"dynamics {mean['dynamics']:.3f}; gain over {len(records)} cohorts " + "; ".join(parts)
        )
    return lines


# ------------------------------------------------------------------ confounds


def confound_record(pools: dict[str, Pool], seed: int, folder: Path, *, people: int) -> Record:
    """Which checks speak, in cohorts whose label is carried by one confound, or by none."""
    found: Record = {"seed": seed, "people": people}
    for number, (name, pool) in enumerate(pools.items()):
        rows = drawn(pool, seed + 1000 * number, people, len(pool))
        part = pool.rows(rows)
        cohort = cohort_of(part, part.responder, plan_of(seed=seed))
        contender = table_contender(
            "with covariates", part.connectivity, part.dynamics, _standard(part)
        )
        evaluation = evaluate(cohort, [contender], folder / f"confound-{seed}-{number}")
        scores = evaluation.headline.scores.log_odds.mean(axis=0)
        draws = draws_of(cohort.identifiers, 1000, seed)
        checks = {
            one: covariate_check(one, values, scores, part.responder, draws)
            for one, values in (
                ("age", part.age_years),
                ("baseline_pain", part.baseline_pain),
                ("motion", part.mean_fd_mm),
            )
        }
        found[name] = {one: bool(check and check["flagged"]) for one, check in checks.items()}
        found[name]["site"] = bool(site_check(cohort, scores, draws)["flagged"])
    return found


def summarise_confounds(records: list[Record]) -> list[str]:
    """How often the right check speaks, and how often any speaks without cause."""
    lines = []
    for name in ("none", *CONFOUNDS):
        rows = [record[name] for record in records]
        said = {one: sum(row[one] for row in rows) for one in CONFOUNDS}
        words = ", ".join(f"{one} {count}" for one, count in said.items())
        lines.append(f"label carried by {name}: flagged in {len(rows)} cohorts: {words}")
    return lines


def scenario_pools(folder: Path, people: int) -> dict[str, Pool]:
    """One pool a scenario of `SCENARIOS`."""
    return {
        name: pool_of(
            CohortSettings(seed=SEED, connectivity_strength=one, dynamics_strength=other),
            people, folder,
        )
        for name, (one, other) in SCENARIOS.items()
    }  # fmt: skip


def confound_pools(folder: Path, people: int) -> dict[str, Pool]:
    """No brain signal of response at all; one covariate carries the label, or none does."""
    return {
        name: pool_of(
            CohortSettings(seed=SEED + 1, null=True, confound=name, confound_strength=1.2),
            people, folder,
        )
        for name in ("none", *CONFOUNDS)
    }  # fmt: skip


def _fused(pool: Pool) -> Any:
    return table_contender("fused", pool.connectivity, pool.dynamics)


def _standard(pool: Pool) -> np.ndarray:
    columns = np.stack(
        [pool.age_years, pool.female, pool.baseline_pain, pool.mean_fd_mm,
         (pool.site == pool.site[0]).astype(float)], axis=1,
    )  # fmt: skip
    return (columns - columns.mean(axis=0)) / (columns.std(axis=0) + 1e-9)
