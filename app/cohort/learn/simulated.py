"""Simulated cohorts to learn from: a ready plan for scanned ones, and cohorts at parcel level.

The series are those that scan and recipe would give, without making the scan
(`app.cohort.series_level`); the pain ratings are drawn so that a fall of at least 30 % is exactly
the simulator's responder.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from app.cohort.learn.plan import Plan, parse_plan, plan_toml
from app.cohort.series_level import UNSTEADY_FRAMES, measured_series
from app.core.progress import Progress
from app.core.provenance import array_sha256
from app.simulation.bids import AFTER, BEFORE, SIMULATED_DRUG, write_text
from app.simulation.cohort import CohortSettings, ParticipantTruth, draw_cohort
from app.simulation.outcome import SIMULATED_ARM, SIMULATED_TIME_POINT, pain_ratings

TABLE = "participants.tsv"
PLAN_STAMP = "# SIMULATED PEOPLE, SIMULATED TREATMENT: this plan says nothing about any person."
PLAN_REMARK = """\
# Ready for `evaluate` and `train`. Slower rivals that a study would add: "tangent", "frozen-cls".
"""


def write_cohort(folder: Path, settings: CohortSettings, progress: Progress | None = None) -> Path:
    """Write ``<folder>/prepared/*.npz`` and ``<folder>/participants.tsv``; files there are kept.

    Returns
    -------
    The folder of prepared scans.
    """
    import torch

    from app.models.features import correlation_of

    progress = progress or Progress()
    prepared = folder / "prepared"
    prepared.mkdir(parents=True, exist_ok=True)
    rows = ["participant_id\tage\tsex\tsite\tnrs_before\tnrs_after\tresponder"]
    people = draw_cohort(settings)
    for number, person in enumerate(people, start=1):
        before, after = pain_ratings(person)
        rows.append(
            f"{person.label}\t{person.age_years}\t{person.sex}\t{person.site}\t{before}\t{after}"
            f"\t{int(bool(person.responder))}"
        )
        path = prepared / f"cohort-{settings.seed}_{person.label}.npz"
        if not path.exists():
            cleaned = measured_series(person, settings.frames, settings.repetition_time_s)
            good = np.ones(len(cleaned), bool)
            everything = torch.ones(cleaned.shape[1], dtype=torch.bool)
            matrix = correlation_of(
                torch.from_numpy(cleaned).double(), torch.from_numpy(good), everything
            ).numpy()
            _write(path, person, settings, cleaned, good, matrix)
        progress.step(number / len(people), f"participant {number} of {len(people)}")
    (folder / TABLE).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return prepared


def study_plan(preset: str = "simple-highpass", atlas: str = "HCPEx") -> Plan:
    """The analysis plan of a cohort that `simulate --cohort` has made; nobody in it is a person."""
    return parse_plan(
        {
            "name": "SIMULATED people, simulated treatment X",
            "outcome": {
                "column": AFTER,
                "kind": "post",
                "scale": "VAS 0-10, simulated",
                "baseline_column": BEFORE,
                "lowest": 0.0,
                "highest": 10.0,
            },
            "responder": {
                "definition": "VAS fall >= 30 %",
                "secondary": ["VAS fall >= 20 %", "VAS fall >= 50 %", "VAS < 4"],
                "time_point": SIMULATED_TIME_POINT,
            },
            "treatment": {
                "drug": SIMULATED_DRUG,
                "dose": "none",
                "route": "none",
                "arm": SIMULATED_ARM,
                "comparator": "none",
                "control_arm_modelled": False,
            },
            "population": {
                "description": "simulated people with simulated neuropathic pain",
                "age_range_years": [20.0, 88.0],
            },
            "estimand": {
                "statement": "Change and response at simulated week 4, as the simulator drew them",
                "rescue_medication": "none is simulated",
                "drop_out": "nobody drops out of the simulation",
            },
            "models": {
                "headline": "linear",
                "rivals": ["majority", "age", "age-sex", "motion", "age-sex-motion",
                           "baseline-pain", "covariates"],
            },
            "recipe": {"preset": preset, "atlas": atlas},
        }
    )  # fmt: skip


def write_study_plan(path: Path) -> bool:
    """Write the plan with its stamp; False where a file that is not one of ours is there."""
    if path.exists() and not path.read_text("utf-8", errors="replace").startswith(PLAN_STAMP):
        return False
    write_text(path, f"{PLAN_STAMP}\n{PLAN_REMARK}\n{plan_toml(study_plan())}")
    return True


def _write(
    path: Path,
    person: ParticipantTruth,
    settings: CohortSettings,
    cleaned: np.ndarray,
    good: np.ndarray,
    matrix: np.ndarray,
) -> None:
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        cleaned=cleaned,
        good_frames=good,
        matrix=np.asarray(matrix, np.float32),
        repetition_time_s=settings.repetition_time_s,
        mean_fd_mm=0.12 * person.motion_level,
        verdict="pass",
        scan_sha256=array_sha256(cleaned),
        age_years=person.age_years,
        sex=person.sex,
        baseline_pain=person.baseline_pain,
        site=person.site,
        first_frame=UNSTEADY_FRAMES,
    )
    os.replace(partial, path)
