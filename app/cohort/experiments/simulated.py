"""Simulated cohorts at parcel level, with noise fitted to the recipe: thousands where needed.

The true series of a simulated person are blurred over neighbouring parcels, attenuated as the
regression of confounds attenuates them, and given noise, so that spectrum, variance and
connectivity are those that the whole recipe measures of the same people. Fitted on four people of
the demonstration cohort that went through the recipe (share of the true power left in 0.01-0.05,
0.05-0.08, 0.08-0.13, 0.13-0.2 and 0.2-0.25 Hz: recipe 0.36, 0.52, 0.59, 0.85, 1.28; here 0.33,
0.46, 0.58, 0.95, 1.46; standard deviation 0.65 and 0.65 %; correlation of the connectivity with
the true one 0.83 and 0.82). What it leaves out: the recipe's failures, quality verdicts, coverage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.learn.definition import Outcome
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.person import Person
from app.cohort.learn.plan import Plan, parse_plan
from app.cohort.learn.plan_lock import LockedPlan
from app.cohort.learn.scans import PREPARED_ATLAS, PREPARED_PRESET, PreparedScan
from app.cohort.series_level import high_pass
from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.progress import Progress
from app.core.provenance import array_sha256
from app.core.results import Verdict
from app.simulation.cohort import SITES, CohortSettings, ParticipantTruth, draw_participant
from app.simulation.series import parcel_series
from app.simulation.signature import parcel_table

BLUR_MM = 6.0  # standard deviation of the mixing between parcel centres
SLOW_GAIN, FAST_GAIN = 0.66, 0.82  # amplitude left below 0.03 Hz and above 0.07 Hz
NOISE_PERCENT, NOISE_SPREAD = 0.30, 0.20
UNSTEADY_FRAMES = 4
FD_MEDIAN_MM = 0.13  # mean framewise displacement of the median simulated person
MOTION_PERCENT = 0.12  # shared signal of a person who moves twice as much as the median
SITE_NOISE = 1.25  # the second site's noise beside the first's


@lru_cache(maxsize=1)
def _mixing() -> Floats:
    centres = parcel_table().centroids_mm
    squares = ((centres[:, None] - centres[None]) ** 2).sum(-1)
    weights = np.exp(-0.5 * squares / BLUR_MM**2)
    return frozen(weights / weights.sum(1, keepdims=True))


def fitted_series(
    truth: ParticipantTruth, frames: int = 204, repetition_time_s: float = 2.0
) -> Floats:
    """Cleaned series of one simulated person, percent, float32 (frame - 4, parcel).

    Who moves more, or lies in the second scanner, has other noise: so a confound can leave its
    trace in the brain data as it does in scans.
    """
    rng = np.random.default_rng([truth.scan_seed, 79])
    true = parcel_series(truth, frames, repetition_time_s)[UNSTEADY_FRAMES:]
    hertz = np.fft.rfftfreq(len(true), repetition_time_s)
    gain = np.interp(hertz, [0.0, 0.03, 0.07], [SLOW_GAIN, SLOW_GAIN, FAST_GAIN])
    spectrum = np.fft.rfft(true @ _mixing().T, axis=0) * gain[:, None]
    series = np.fft.irfft(spectrum, n=len(true), axis=0)
    parcels = series.shape[1]
    noise = NOISE_PERCENT * np.exp(NOISE_SPREAD * rng.standard_normal(parcels))
    noise = noise * (SITE_NOISE if truth.site == SITES[1] else 1.0)
    moved = MOTION_PERCENT * np.log2(max(truth.motion_level, 1.0))
    shared = np.outer(rng.standard_normal(len(true)), 1.0 + 0.3 * rng.standard_normal(parcels))
    series = series + noise * rng.standard_normal(series.shape) + moved * shared
    return high_pass(series, repetition_time_s).astype(np.float32)


def correlation(series: Floats) -> Floats:
    """(parcel, parcel) Pearson, float32, diagonal 0."""
    found = np.corrcoef(np.asarray(series, np.float64).T).astype(np.float32)
    np.fill_diagonal(found, 0.0)
    return found


def prepared_scan(truth: ParticipantTruth, frames: int, repetition_time_s: float) -> PreparedScan:
    """One simulated person as the recipe would hand them over."""
    cleaned = frozen(fitted_series(truth, frames, repetition_time_s))
    digest = array_sha256(cleaned)
    return PreparedScan(
        participant=truth.label,
        session="",
        source="parcel-level simulation",
        cleaned=cleaned,
        good_frames=frozen(np.ones(len(cleaned), np.bool_)),
        connectivity=frozen(correlation(cleaned)),
        mean_fd_mm=round(FD_MEDIAN_MM * truth.motion_level, 4),
        verdict=Verdict.PASS.value,
        atlas=PREPARED_ATLAS,
        preset=PREPARED_PRESET,
        repetition_time_s=repetition_time_s,
        scan_sha256=digest,
        content_sha256=digest,
        simulated=True,
        age_years=truth.age_years,
        sex=truth.sex,
        baseline_pain=truth.baseline_pain,
        site=truth.site,
    )


@dataclass(frozen=True, slots=True)
class SimulatedCohort:
    """A labelled cohort and what is true about each of its people."""

    cohort: LabelledCohort
    truths: tuple[ParticipantTruth, ...]


def simulated_plan(**changes: Any) -> Plan:
    """The plan of simulated cohorts: label 0 or 1, simulated treatment; tables by name change."""
    values: dict[str, Any] = {
        "name": "Simulated cohort at parcel level",
        "outcome": {"column": "response", "kind": "label", "scale": "NRS"},
        "responder": {"definition": "NRS fall >= 30 %", "time_point": "after treatment"},
        "treatment": {
            "drug": "Simulated treatment X",
            "dose": "simulated",
            "route": "simulated",
            "arm": "simulated",
            "comparator": "none",
            "control_arm_modelled": False,
        },
        "population": {
            "description": "Simulated people",
            "age_range_years": [20.0, 88.0],
        },
        "estimand": {
            "statement": "Planted response of simulated people",
            "rescue_medication": "none",
            "drop_out": "none",
        },
        "models": {"headline": "linear", "rivals": ["majority", "age-sex-motion", "covariates"]},
    }
    for table, fields in changes.items():
        values[table] = {**values.get(table, {}), **fields} if isinstance(fields, dict) else fields
    return parse_plan(values)


def simulated_cohort(
    settings: CohortSettings,
    plan: Plan,
    folder: Path,
    progress: Progress | None = None,
    scan_of: Callable[[ParticipantTruth, int, float], PreparedScan] = prepared_scan,
) -> SimulatedCohort:
    """Draw people, make their series, and label them under a plan.

    Parameters
    ----------
    settings
        Count, seed, what carries the label, confounds.
    plan
        What is asked; recorded with the cohort. Nothing is written.
    folder
        Where results of it would go.
    progress
        Told after each person.
    """
    progress = progress or Progress()
    truths, people = [], []
    for index in range(settings.count):
        truth = draw_participant(settings, index)
        truths.append(truth)
        scan = scan_of(truth, settings.frames, settings.repetition_time_s)
        people.append(
            Person(
                scan,
                truth.site,
                plan.treatment.arm,
                truth.age_years,
                truth.sex,
                truth.baseline_pain,
                float("nan"),
            )
        )
        progress.step((index + 1) / settings.count, f"person {index + 1} of {settings.count}")
    labels: Bools = np.array([bool(truth.responder) for truth in truths])
    values = frozen(labels.astype(float))
    locked = LockedPlan(plan, plan.sha256, "", "", folder)
    cohort = LabelledCohort(
        tuple(people),
        frozen(labels),
        {plan.definition.text: values},
        Outcome("label", values, None, lower_is_better=True),
        (),
        locked,
    )
    return SimulatedCohort(cohort, tuple(truths))


def network_pairs(connectivity: Floats, network_of_parcel: Ints) -> Floats:
    """(person, pair of networks, own included) mean Fisher z of the parcel pairs between them."""
    names = np.unique(network_of_parcel)
    member = (network_of_parcel[None, :] == names[:, None]).astype(float)
    first, second = np.triu_indices(len(names))
    rows = []
    for matrix in connectivity:
        known = np.isfinite(matrix)
        np.fill_diagonal(known, False)
        z = np.where(known, np.arctanh(np.clip(np.where(known, matrix, 0.0), -0.999, 0.999)), 0.0)
        total, count = member @ z @ member.T, member @ known @ member.T
        rows.append((total / np.maximum(count, 1.0))[first, second])
    return np.stack(rows)
