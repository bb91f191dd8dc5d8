"""A labelled cohort of simulated people at parcel level: prepared scans and a participants table.

The series are those that scan and recipe would give, without making the scan
(`app.cohort.series_level`); the pain ratings are drawn so that a fall of at least 30 % is exactly
the simulator's responder.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from app.cohort.series_level import UNSTEADY_FRAMES, measured_series
from app.core.progress import Progress
from app.core.provenance import array_sha256
from app.simulation.cohort import CohortSettings, ParticipantTruth, draw_cohort

FALL_RESPONDER, FALL_OTHER, FALL_SD = 0.50, 0.08, 0.12  # share of the rating before treatment
THRESHOLD = 0.30
TABLE = "participants.tsv"


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
        before, after = ratings(person)
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


def ratings(person: ParticipantTruth) -> tuple[float, float]:
    """Pain before and after treatment, 0 to 10, in hundredths."""
    rng = np.random.default_rng([person.seed, person.index, 909])
    before = max(round(person.baseline_pain, 1), 1.0)
    middle = FALL_RESPONDER if person.responder else FALL_OTHER
    fall = float(middle + FALL_SD * rng.standard_normal())
    low, high = (THRESHOLD + 0.005, 1.0) if person.responder else (-0.5, THRESHOLD - 0.005)
    after = before * (1.0 - float(np.clip(fall, low, high)))
    return before, round(min(after, 10.0), 3)


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
