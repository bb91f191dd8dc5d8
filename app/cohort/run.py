"""Many participants through the whole recipe: simulate, measure, keep little, go on later.

Each participant is one file; those that lie there are not made again. Two processes work side
by side; each scan is deleted as soon as it has been measured.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.cohort.prepared import PreparedParticipant, write_prepared
from app.core.errors import AppError
from app.core.progress import Progress
from app.simulation.cohort import CohortSettings
from app.simulation.scanner import ParticipantSettings, ScannerSettings


def prepared_path(folder: Path, settings: CohortSettings, index: int) -> Path:
    """File of one participant."""
    return folder / f"seed{settings.seed}-sub-{index:04d}.npz"


def prepare_participants(
    settings: CohortSettings,
    indices: Iterable[int],
    out_dir: Path,
    progress: Progress,
    *,
    processes: int = 2,
    scanner: ScannerSettings | None = None,
) -> tuple[str, ...]:
    """Bring participants to the state in which training reads them.

    Parameters
    ----------
    settings
        The simulated cohort.
    indices
        Which of its participants.
    out_dir
        Receives one file each; existing files are kept.
    progress
        Told after each participant.
    processes
        How many run side by side.
    scanner
        Simulated scanner; None = the default one.

    Returns
    -------
    One line for each participant that the recipe refused, with its reason.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    wanted = [i for i in indices if not prepared_path(out_dir, settings, i).exists()]
    refused = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, max_tasks_per_child=20) as pool:
        running = {
            pool.submit(prepare_one, settings, i, out_dir, scanner or ScannerSettings()): i
            for i in wanted
        }
        try:
            for done, finished in enumerate(as_completed(running), start=1):
                reason = finished.result()
                if reason:
                    refused.append(f"{running[finished]}: {reason}")
                progress.step(done / len(wanted), f"participant {done} of {len(wanted)}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(refused)


def prepare_one(
    settings: CohortSettings, index: int, out_dir: Path, scanner: ScannerSettings
) -> str:
    """Simulate, measure and keep one participant; the reason when the recipe refuses the scan."""
    from app.analysis.measure import Measurement, measure
    from app.core.request import AnalysisRequest
    from app.simulation.cohort import draw_participant
    from app.simulation.participant import simulate_participant

    truth = draw_participant(settings, index)
    with tempfile.TemporaryDirectory(prefix="neuroresponder-cohort-") as scratch:
        simulated = simulate_participant(
            ParticipantSettings(replace(settings, count=index + 1), index, scanner),
            Path(scratch),
            threads=1,
        )
        request = AnalysisRequest(simulated.paths.bold, Path(scratch), threads=1)
        try:
            measured = measure(request, Measurement(), Progress())
        except AppError as error:
            return f"{error.code}: {error.message}"
    displacement = np.asarray(measured.motion.framewise_displacement_mm)
    write_prepared(
        prepared_path(out_dir, settings, index),
        PreparedParticipant(
            identifier=f"seed{settings.seed}-{truth.label}",
            responder=bool(truth.responder),
            cleaned=np.asarray(measured.signals.cleaned, np.float32),
            good_frames=measured.signals.good_frames,
            connectivity=np.asarray(measured.connectome.matrix, np.float32),
            age_years=truth.age_years,
            sex=truth.sex,
            baseline_pain=truth.baseline_pain,
            site=truth.site,
            mean_fd_mm=float(np.nanmean(displacement)),
            quality=str(measured.quality.verdict),
            scan_sha256=measured.scan.sha256,
            preset=measured.signals.preset,
            atlas=measured.signals.atlas,
        ),
    )
    return ""
