"""From settings to files: one simulated participant, or a whole cohort that can be resumed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app import __version__
from app.core.arrays import Bools
from app.core.errors import StorageError
from app.core.progress import Progress
from app.core.provenance import record_sha256
from app.core.results import MOTION_COLUMNS
from app.simulation.anatomy import Anatomy
from app.simulation.bids import (
    SIMULATED_DRUG,
    bold_sidecar,
    write_dataset,
    write_json,
    write_nifti,
    write_t1w,
    write_table,
)
from app.simulation.cohort import CohortSettings, ParticipantTruth, draw_participant
from app.simulation.motion import framewise_displacement
from app.simulation.scan import ScanTruth, SimulatedVolumes, simulate_volumes
from app.simulation.scanner import ParticipantSettings, ScannerSettings
from app.simulation.signature import (
    CONNECTIVITY_CONTROL,
    CONNECTIVITY_NETWORKS,
    parcel_table,
    planted_signature,
)

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ParticipantPaths:
    """Where a simulated participant lies on disk."""

    dataset: Path
    bold: Path  # .nii.gz
    sidecar: Path
    t1w: Path
    truth: Path  # folder

    @classmethod
    def below(cls, dataset: Path, label: str) -> ParticipantPaths:
        """Paths of the participant `label` in a data set."""
        stem = dataset / label / "func" / f"{label}_task-rest_bold"
        return cls(
            dataset,
            stem.with_name(stem.name + ".nii.gz"),
            stem.with_name(stem.name + ".json"),
            dataset / label / "anat" / f"{label}_T1w.nii.gz",
            dataset / "truth" / label,
        )


@dataclass(frozen=True, slots=True)
class SimulatedParticipant:
    """One participant on disk with the truth."""

    paths: ParticipantPaths
    truth: ScanTruth


def settings_sha256(settings: ParticipantSettings) -> str:
    """Hash of everything that the files of one participant depend on (not the cohort's size)."""
    record = asdict(replace(settings, cohort=replace(settings.cohort, count=1)))
    return record_sha256({"settings": record, "format": FORMAT, "version": __version__})


def simulate_participant(
    settings: ParticipantSettings,
    out_dir: Path,
    progress: Progress | None = None,
    *,
    threads: int = 2,
) -> SimulatedParticipant:
    """Scan one simulated person and write the BIDS folder with the truth beside it.

    A participant of the same settings that lies there already is read back, not made again.
    The files appear only when they are complete.

    Parameters
    ----------
    settings
        Person, scanner, seed.
    out_dir
        The data set's root; made if missing, other participants in it are kept.
    progress
        Told about the stages "head", "frames", "write".
    threads
        No influence on the bytes.

    Raises
    ------
    StorageError
        When the folder cannot be written.
    CancelledError
        When a cancel was asked; nothing of this participant remains.
    """
    progress = progress or Progress(weights={"head": 4, "frames": 5, "write": 4})
    result = _participant(settings, Path(out_dir), progress, threads)
    _describe(Path(out_dir))
    return result


def _participant(
    settings: ParticipantSettings, out_dir: Path, progress: Progress, threads: int
) -> SimulatedParticipant:
    label = draw_participant(settings.cohort, settings.index).label
    paths = ParticipantPaths.below(out_dir, label)
    key = settings_sha256(settings)
    if _complete(paths, key):
        return SimulatedParticipant(paths, read_truth(paths.truth))
    volumes = simulate_volumes(settings, progress, threads=threads)
    partial = out_dir / f".partial-{label}"
    try:
        with progress.stage("write"):
            shutil.rmtree(partial, ignore_errors=True)
            inner = ParticipantPaths.below(partial, label)
            scanner = settings.scanner
            write_nifti(
                inner.bold,
                volumes.data,
                volumes.affine,
                storage=scanner.storage,
                repetition_time_s=volumes.repetition_time_s,
            )
            write_json(inner.sidecar, bold_sidecar(volumes, scanner))
            progress.step(0.6, "anatomical image")
            write_t1w(inner.t1w, volumes, settings.anatomy, scanner)
            progress.step(0.9, "truth")
            write_truth(inner.truth, volumes, settings)
            (out_dir / "truth").mkdir(parents=True, exist_ok=True)
            # the truth goes first and comes last: while it is there, the rest is complete
            for target, source in (
                (paths.truth, None),
                (out_dir / label, partial / label),
                (paths.truth, inner.truth),
            ):
                if target.exists():
                    shutil.rmtree(target)
                if source is not None:
                    os.replace(source, target)
    except OSError as error:
        raise StorageError(
            "The simulated participant could not be written.",
            f"Check free space and permissions of the target folder ({error.strerror}).",
            code="storage.write_failed",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return SimulatedParticipant(paths, volumes.truth)


def _complete(paths: ParticipantPaths, key: str) -> bool:
    record = paths.truth / "truth.json"
    if not (record.exists() and paths.bold.exists() and paths.t1w.exists()):
        return False
    return bool(json.loads(record.read_text(encoding="utf-8")).get("settings_sha256") == key)


def _describe(out_dir: Path) -> None:
    """Rebuild the data set's tables from the participants that are there."""
    people = [
        ParticipantTruth(**json.loads(path.read_text(encoding="utf-8"))["participant"])
        for path in sorted((out_dir / "truth").glob("sub-*/truth.json"))
    ]
    write_dataset(out_dir, people)


def simulate_cohort(
    settings: CohortSettings,
    out_dir: Path,
    progress: Progress | None = None,
    *,
    scanner: ScannerSettings | None = None,
    threads: int = 2,
) -> tuple[SimulatedParticipant, ...]:
    """Simulate a whole cohort; participants that are there already are kept.

    Parameters and errors as in `simulate_participant`; `progress` has the one stage "cohort".
    """
    progress = progress or Progress()
    scanner = scanner or ScannerSettings()
    people = []
    with progress.stage("cohort"):
        for index in range(settings.count):
            progress.step(index / settings.count, f"participant {index + 1} of {settings.count}")
            one = ParticipantSettings(settings, index, scanner)
            people.append(_participant(one, Path(out_dir), Progress(), threads))
    _describe(Path(out_dir))
    return tuple(people)


def write_truth(folder: Path, volumes: SimulatedVolumes, settings: ParticipantSettings) -> None:
    """Write what is true about a scan: JSON, table of motion, distortion image, arrays."""
    truth, cohort = volumes.truth, settings.cohort
    folder.mkdir(parents=True, exist_ok=True)
    parcels, voxels, shares = truth.weights
    arrays: dict[str, Any] = {
        "motion": truth.motion,
        "motion_centre_mm": truth.motion_centre_mm,
        "affine": truth.anatomy.affine,
        "displacement_mm": truth.anatomy.displacement_mm,
        "displacement_affine": truth.anatomy.displacement_affine,
        "phase_axis": truth.phase_axis,
        "distortion_mm": truth.distortion_mm,
        "native_affine": volumes.affine,
        "series": truth.series,
        "slice_times_s": truth.slice_times_s,
        "weight_parcel": parcels,
        "weight_voxel": voxels,
        "weight_share": shares,
    }
    if truth.marker_mm is not None:
        arrays["marker_mm"] = truth.marker_mm
    np.savez(folder / "arrays.npz", **arrays)
    distances = framewise_displacement(truth.motion)
    write_table(
        folder / "motion.tsv",
        (*MOTION_COLUMNS, "framewise_displacement"),
        [
            (*(float(v) for v in row), "n/a" if np.isnan(fd) else float(fd))
            for row, fd in zip(truth.motion, distances, strict=True)
        ],
    )
    storage = settings.scanner.storage
    write_nifti(folder / "distortion.nii.gz", truth.distortion_mm, volumes.affine, storage=storage)
    signature = planted_signature(
        connectivity=cohort.connectivity_strength > 0 and not cohort.null,
        dynamics=cohort.dynamics_strength > 0 and not cohort.null,
    )
    names = parcel_table().names
    write_json(
        folder / "truth.json",
        {
            "settings_sha256": settings_sha256(settings),
            "settings": asdict(settings),
            "participant": asdict(truth.participant),
            "drug": SIMULATED_DRUG,
            "non_steady_frames": truth.non_steady_frames,
            "mean_framewise_displacement_mm": float(np.nanmean(distances)),
            "signature": {
                "connectivity_parcels": _names(names, signature.connectivity_parcels),
                "dynamics_parcels": _names(names, signature.dynamics_parcels),
                "suppressor_parcels": _names(names, signature.suppressor_parcels),
                "connections_between": (
                    CONNECTIVITY_NETWORKS if signature.connectivity_edges.any() else None
                ),
                "suppressor_connections_between": (
                    CONNECTIVITY_CONTROL if signature.suppressor_edges.any() else None
                ),
            },
        },
    )


def _names(names: tuple[str, ...], chosen: Bools) -> list[str]:
    return [name for name, wanted in zip(names, chosen, strict=True) if wanted]


def read_truth(folder: Path) -> ScanTruth:
    """Read a truth folder back."""
    record = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        a = {name: stored[name] for name in stored.files}
    return ScanTruth(
        participant=ParticipantTruth(**record["participant"]),
        motion=a["motion"],
        motion_centre_mm=a["motion_centre_mm"],
        anatomy=Anatomy(a["affine"], a["displacement_mm"], a["displacement_affine"]),
        phase_axis=a["phase_axis"],
        distortion_mm=a["distortion_mm"],
        series=a["series"],
        slice_times_s=a["slice_times_s"],
        non_steady_frames=int(record["non_steady_frames"]),
        weights=(a["weight_parcel"], a["weight_voxel"], a["weight_share"]),
        marker_mm=a.get("marker_mm"),
    )
