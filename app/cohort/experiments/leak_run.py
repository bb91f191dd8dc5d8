"""`experiment leak`: on simulated people, or on one's own prepared scans; labels are random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.cohort.experiments.leak import LeakSettings, run_leak
from app.cohort.experiments.leak_report import leak_facts
from app.cohort.experiments.running import Run, finished_utc, reported
from app.cohort.experiments.simulated import correlation, fitted_series, network_pairs
from app.cohort.learn.contenders import find_atlas, networks_of
from app.cohort.learn.scans import scans_of
from app.core.arrays import Floats
from app.core.errors import AppError
from app.core.progress import Progress
from app.simulation.cohort import CohortSettings, draw_participant
from app.simulation.signature import parcel_table

FEWEST = 20


@dataclass(frozen=True, slots=True)
class People:
    """Features of people whose labels will be random."""

    features: Floats  # (person, pair of networks)
    simulated: bool
    words: str


def simulated_people(count: int, seed: int, progress: Progress) -> People:
    """People at parcel level, without any signature of response."""
    settings = CohortSettings(count=count, seed=seed, null=True)
    rows = []
    for index in range(count):
        series = fitted_series(draw_participant(settings, index), settings.frames)
        pairs = network_pairs(correlation(series)[None], np.asarray(parcel_table().network_of))
        rows.append(pairs[0])
        progress.step((index + 1) / count, f"simulated person {index + 1} of {count}")
    return People(np.stack(rows), True, "simulated people without any signature of response")


def own_people(folder: Path, progress: Progress) -> People:
    """Prepared scans of a folder; no table and no outcome is read.

    Raises
    ------
    AppError
        As `scans_of`; ``experiment.leak`` for too few people or several atlases.
    """
    scans = scans_of(folder, progress)
    atlases = {one.atlas for one in scans}
    people = {one.participant: one for one in scans}  # one scan a person
    if len(people) < FEWEST or len(atlases) > 1:
        raise AppError(
            f"The folder holds {len(people)} people of {len(atlases)} atlases.",
            f"At least {FEWEST} people of one atlas are needed.",
            code="experiment.leak",
        )
    networks = networks_of(find_atlas(atlases.pop()).networks)
    matrices = np.stack([one.connectivity for one in people.values()])
    return People(
        network_pairs(matrices, networks),
        all(one.simulated for one in people.values()),
        "people of the given folder, their outcomes never read",
    )


def run_leak_experiment(
    folder: Path | None, count: int, settings: LeakSettings, run: Run, progress: Progress
) -> tuple[Path, ...]:
    """All repeats and the report.

    Parameters
    ----------
    folder
        Prepared scans, or None for simulated people.
    count
        How many simulated people.
    settings
        Repeats, folds, training.
    run
        Result folder and command.
    progress
        Stages "people", "repeats", "report".
    """
    with progress.stage("people"):
        people = (
            simulated_people(count, settings.seed, progress)
            if folder is None
            else own_people(folder, progress)
        )
    with progress.stage("repeats"):
        result = run_leak(people.features, settings, run.out / "work", progress)
    facts = leak_facts(
        result,
        command=run.command,
        simulated=people.simulated,
        data=people.words,
        finished_utc=finished_utc(),
    )
    return reported(facts, run, progress)
