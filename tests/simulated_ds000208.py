"""A simulated folder in the shape of ds000208: its published table, simulated people.

Who is a patient, in which arm, with which outcome, is the published table's (CC0); brains and scans
are simulated. With `signature` the label of 20 % carries the simulator's signature; without it
nothing can be learnt, as in a null cohort.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from app.cohort.experiments.ds000208_table import Participant, read_table
from app.cohort.experiments.simulated import prepared_scan
from app.cohort.learn.scans import PREPARED_PRESET
from app.simulation.cohort import CohortSettings, ParticipantTruth, draw_participant
from app.simulation.signature import CLASS_SEPARATION

PUBLISHED = Path(__file__).resolve().parent / "reference" / "ds000208"
REPETITION_TIME_S = 2.5


def truth_of(person: Participant, number: int, *, signature: bool) -> ParticipantTruth:
    """A simulated person with the published age, sex and outcome."""
    drawn = draw_participant(CohortSettings(seed=208, null=True), number)
    side = CLASS_SEPARATION * (0.5 if person.response else -0.5)
    moved = side if signature and person.response is not None else 0.0
    return dataclasses.replace(
        drawn,
        responder=person.response,
        trait_connectivity=drawn.trait_connectivity + moved,
        trait_dynamics=drawn.trait_dynamics + moved,
        age_years=float(person.age_years or 55.0),
        sex=person.sex or "F",
        site="site-1",
    )


def write_folder(folder: Path) -> None:
    """The files of the data set that are no images, and an empty folder a participant."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("participants.tsv", "dataset_description.json", "README"):
        shutil.copyfile(PUBLISHED / name, folder / name)
    shutil.copyfile(PUBLISHED / "task-rest_bold.json", folder / "task-rest_bold.json")
    for person in read_table(folder / "participants.tsv").people:
        (folder / person.label).mkdir(exist_ok=True)


def write_prepared(folder: Path, *, signature: bool, frames: int = 204, every: int = 1) -> None:
    """Prepared scans of all 56 patients at parcel level, as `bids` would leave them.

    With `every` above 1 only every so-manieth parcel is kept, for tests that must be quick.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, person in enumerate(read_table(PUBLISHED / "participants.tsv").people):
        if person.arm() is None:
            continue
        scan = prepared_scan(
            truth_of(person, number, signature=signature), frames, REPETITION_TIME_S
        )
        np.savez(
            folder / f"{person.label}_task-rest.npz",
            cleaned=scan.cleaned[:, ::every],
            good_frames=scan.good_frames,
            matrix=scan.connectivity[::every, ::every],
            connectivity_kind="pearson",
            mean_fd_mm=scan.mean_fd_mm,
            verdict=scan.verdict,
            repetition_time_s=REPETITION_TIME_S,
            scan_sha256=scan.scan_sha256,
            simulated=True,
            atlas=scan.atlas,
            preset=PREPARED_PRESET,
            age_years=np.nan,
            sex="",
            baseline_pain=np.nan,
            site="",
        )
