"""Many simulated participants through the whole recipe, one small file each, resumable.

Each participant is scanned by the simulator, written as a NIfTI with its sidecar, and measured
as any scan is. Kept is what models learn from; the 4-D scan is deleted. A participant whose file
is there is not done again, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from app.analysis.measure import Measurement, measure
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.simulation.bids import bold_sidecar, write_json, write_nifti
from app.simulation.cohort import CohortSettings
from app.simulation.scan import simulate_volumes
from app.simulation.scanner import ParticipantSettings

# One thread each, before numpy, ITK or torch are imported: two processes share two cores.
SINGLE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
}


def participant_file(out_dir: Path, cohort_seed: int, index: int) -> Path:
    """Where the measured participant lies."""
    return out_dir / f"cohort-{cohort_seed}_sub-{index:04d}.npz"


def prepare_participants(
    cohort: CohortSettings,
    indices: Sequence[int],
    out_dir: Path,
    progress: Progress | None = None,
    *,
    processes: int = 2,
) -> tuple[Path, ...]:
    """Simulate and measure participants; those whose file is there are kept.

    Parameters
    ----------
    cohort
        Who takes part; `count` has no influence on anyone.
    indices
        Which of them.
    out_dir
        Gets one ``.npz`` a participant.
    progress
        Told after each participant, in one stage "participants".
    processes
        Side by side; no influence on the content.
    """
    progress = progress or Progress()
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = tuple(participant_file(out_dir, cohort.seed, index) for index in indices)
    jobs = [
        (cohort, index, path)
        for index, path in zip(indices, paths, strict=True)
        if not path.exists()
    ]
    with progress.stage("participants"):
        for done, _ in enumerate(_run(jobs, processes), start=1):
            progress.step(done / len(jobs), f"{done} of {len(jobs)}")
    return paths


def prepare_participant(cohort: CohortSettings, index: int, path: Path) -> None:
    """Simulate one participant, measure the scan by the recipe, and keep the small part.

    The file holds ``cleaned`` (frame, parcel) float32 percent, ``good_frames`` (frame,),
    ``matrix`` (parcel, parcel) float32, ``coverage`` (parcel,), ``truth`` (frame, parcel)
    float32 percent, ``label``, ``traits`` (connectivity, dynamics, and their suppressors),
    covariates, mean framewise displacement, verdict and the scan's SHA-256.
    """
    settings = ParticipantSettings(cohort, index)
    volumes = simulate_volumes(settings, threads=1)
    person = volumes.truth.participant
    with tempfile.TemporaryDirectory(prefix="neuroresponder-") as private:
        bold = Path(private) / f"{person.label}_task-rest_bold.nii.gz"
        write_nifti(
            bold,
            volumes.data,
            volumes.affine,
            storage=settings.scanner.storage,
            repetition_time_s=volumes.repetition_time_s,
        )
        sidecar = bold.with_name(bold.name.replace(".nii.gz", ".json"))
        write_json(sidecar, bold_sidecar(volumes, settings.scanner))
        measured = measure(
            AnalysisRequest(bold, Path(private), threads=1), Measurement(), Progress()
        )
    signals = measured.signals
    gates = {metric.name: metric.value for metric in measured.quality.metrics}
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        cleaned=np.asarray(signals.cleaned, np.float32),
        good_frames=signals.good_frames,
        matrix=np.asarray(measured.connectome.matrix, np.float32),
        coverage=signals.coverage,
        repetition_time_s=signals.repetition_time_s,
        truth=volumes.truth.series[signals.first_frame :].astype(np.float32),
        label=-1 if person.responder is None else int(person.responder),
        traits=np.array(
            [
                person.trait_connectivity,
                person.trait_dynamics,
                person.suppressor_connectivity,
                person.suppressor_dynamics,
            ]
        ),
        age_years=person.age_years,
        sex=person.sex,
        baseline_pain=person.baseline_pain,
        site=person.site,
        mean_fd_mm=gates["mean_fd_power_mm"],
        verdict=measured.quality.verdict.value,
        gates=json.dumps(gates),
        scan_sha256=measured.scan.sha256,
        participant=json.dumps(asdict(person)),
    )
    os.replace(partial, path)


def _run(jobs: Sequence[tuple[CohortSettings, int, Path]], processes: int) -> Iterator[None]:
    if not jobs:
        return
    os.environ.update(SINGLE_THREAD)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_prepare, jobs)


def _prepare(job: tuple[CohortSettings, int, Path]) -> None:
    prepare_participant(*job)
