"""Writes the BIDS folder of simulated people, and the truth beside it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app import __version__
from app.core.arrays import Floats
from app.simulation.anatomy import SCALP, AnatomySettings, sample_head
from app.simulation.cohort import ParticipantTruth
from app.simulation.epi import fine_grid
from app.simulation.outcome import (
    SIMULATED_ARM,
    SIMULATED_TIME_POINT,
    pain_before,
    pain_ratings,
)
from app.simulation.scan import SimulatedVolumes
from app.simulation.scanner import ScannerSettings

SIMULATED_BY = f"NeuroResponder app.simulation {__version__}"
SIMULATED_DRUG = "Simulated treatment X"
COVARIATES = ("age", "sex", "baseline_pain", "site")
TREATMENT = ("drug", "arm", "time_point")
BEFORE, AFTER = "vas_before", "vas_after"


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a JSON file with a stable order of keys."""
    write_text(path, json.dumps(record, indent=2, sort_keys=True, ensure_ascii=True) + "\n")


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a tab-separated table; floats in the shortest exact spelling."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(str(value) for value in row) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def storage_transform(codes: str) -> Floats:
    """Orientation array (3, 2) from RAS+ to the stored axis codes, such as "LAS"."""
    import nibabel

    nib: Any = nibabel  # its functions carry no types
    ras = nib.orientations.axcodes2ornt("RAS")
    return np.asarray(nib.orientations.ornt_transform(ras, nib.orientations.axcodes2ornt(codes)))


def write_nifti(
    path: Path,
    data: Any,
    affine: Floats,
    *,
    storage: str = "RAS",
    repetition_time_s: float | None = None,
) -> None:
    """Write an image given in RAS+ order as ``.nii.gz`` in the stored axis order.

    gzip level 1 without a time stamp, so that the same data give the same bytes.
    """
    import nibabel

    nib: Any = nibabel  # its functions carry no types
    change = storage_transform(storage)
    turned = nib.orientations.apply_orientation(data, change)
    stored_affine = affine @ nib.orientations.inv_ornt_aff(change, data.shape[:3])
    header: Any = nib.Nifti1Header()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(turned.shape)
    header.set_qform(stored_affine, 1)
    header.set_sform(stored_affine, 1)
    header.set_slope_inter(1.0, 0.0)
    zooms = [float(z) for z in header.get_zooms()[:3]]
    if repetition_time_s is not None:
        zooms.append(repetition_time_s)
    header.set_zooms(zooms)
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = b"SIMULATED by NeuroResponder"
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
    ):
        packed.write(header.binaryblock + b"\0\0\0\0")
        volumes = [turned] if turned.ndim == 3 else (turned[..., f] for f in range(turned.shape[3]))
        for volume in volumes:
            packed.write(volume.tobytes(order="F"))


def bold_sidecar(volumes: SimulatedVolumes, scanner: ScannerSettings) -> dict[str, Any]:
    """BIDS sidecar of the run; directions are those of the stored axes."""
    change = storage_transform(scanner.storage)  # row = RAS axis: (stored axis, direction)
    phase = "ijk".index(scanner.phase_encoding[0])
    forward = (change[phase, 1] > 0) != scanner.phase_encoding.endswith("-")
    times = volumes.truth.slice_times_s
    slice_axis = int(change[2, 0])
    stored_times = times if change[2, 1] > 0 else times[::-1]
    tr = volumes.repetition_time_s
    if scanner.fault == "wrong_repetition_time":
        tr = round(1.25 * tr, 3)
    record = {
        "TaskName": "rest",
        "RepetitionTime": tr,
        "EchoTime": 0.03,
        "FlipAngle": scanner.flip_angle_deg,
        "MagneticFieldStrength": 3,
        "Manufacturer": "Simulated",
        "ManufacturersModelName": "NeuroResponder digital scanner",
        "SliceTiming": [float(t) for t in stored_times],
        "PhaseEncodingDirection": "ijk"[int(change[phase, 0])] + ("" if forward else "-"),
        "TotalReadoutTime": 0.04,
        "NumberOfVolumesDiscardedByScanner": scanner.discarded_frames,
        "SimulatedBy": SIMULATED_BY,
        "SimulatedDrug": SIMULATED_DRUG,
    }
    if slice_axis != 2:
        record["SliceEncodingDirection"] = "ijk"[slice_axis]
    return record


def write_t1w(
    path: Path, volumes: SimulatedVolumes, anatomy: AnatomySettings, scanner: ScannerSettings
) -> None:
    """Write the person's own T1-weighted image, undistorted, in the same scanner frame."""
    person = volumes.truth.participant
    shape, affine = fine_grid(volumes.truth.anatomy, scanner.t1w_mm)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    points = grid.reshape(-1, 3) * scanner.t1w_mm + affine[:3, 3]
    template = volumes.truth.anatomy.scanner_to_template(points)
    intensity, label, _ = sample_head(template, anatomy)
    image = 10.0 * intensity
    image[label == SCALP] = 700.0
    u = 2.0 * grid.reshape(-1, 3) / (np.array(shape) - 1.0) - 1.0
    image *= 1.0 + 0.12 * ((u**2).sum(1) / 3.0 - 0.3)
    rng = np.random.default_rng([person.anatomy_seed, 81])
    noise = 12.0 * rng.standard_normal((2, image.size))
    noisy = np.sqrt((image + noise[0]) ** 2 + noise[1] ** 2)
    data = np.rint(noisy).astype(np.int16).reshape(shape)
    write_nifti(path, data, affine, storage=scanner.storage)
    write_json(
        path.with_name(path.name.replace(".nii.gz", ".json")),
        {
            "MagneticFieldStrength": 3,
            "Manufacturer": "Simulated",
            "SimulatedBy": SIMULATED_BY,
        },
    )


def write_dataset(out_dir: Path, people: Sequence[ParticipantTruth]) -> None:
    """Write the files that describe the data set.

    The table holds what a study's would: covariates, treatment, pain before and after. Who is a
    responder is not among the columns; a definition says that of the two ratings.
    """
    write_json(
        out_dir / "dataset_description.json",
        {
            "Name": "Simulated people, simulated treatment",
            "BIDSVersion": "1.9.0",
            "DatasetType": "raw",
            "License": "CC0",
            "GeneratedBy": [{"Name": "NeuroResponder app.simulation", "Version": __version__}],
        },
    )
    write_text(
        out_dir / "README",
        "SIMULATED PEOPLE, SIMULATED TREATMENT.\n"
        "Made by NeuroResponder for tests and demonstrations. Nobody was scanned.\n"
        "What is true about each scan lies in the folder truth/.\n",
    )
    write_text(out_dir / ".bidsignore", "truth/\nplan.toml\n")
    write_table(
        out_dir / "participants.tsv",
        ("participant_id", *COVARIATES, *TREATMENT, BEFORE, AFTER),
        [
            (
                p.label,
                p.age_years,
                p.sex,
                p.baseline_pain,
                p.site,
                SIMULATED_DRUG,
                SIMULATED_ARM,
                SIMULATED_TIME_POINT,
                *_ratings(p),
            )
            for p in people
        ],
    )
    write_json(
        out_dir / "participants.json",
        {
            "age": {"Description": "Simulated age", "Units": "years"},
            "sex": {"Description": "Simulated sex", "Levels": {"F": "female", "M": "male"}},
            "baseline_pain": {"Description": "Simulated pain before treatment, 0 to 10"},
            "site": {"Description": "Simulated scanner site"},
            "drug": {"Description": "Simulated treatment"},
            "arm": {"Description": "Simulated arm"},
            "time_point": {"Description": f"When {AFTER} was rated"},
            BEFORE: {
                "Description": "Simulated pain rating before treatment: baseline_pain, at least 1, "
                "so that a fall can be stated as a share of it",
                "Units": "0 to 10",
            },
            AFTER: {
                "Description": "Simulated pain rating after treatment; the simulator's responders "
                f"are those who fall by at least 30 % of {BEFORE}",
                "Units": "0 to 10",
            },
        },
    )
    write_table(
        out_dir / "truth" / "participants.tsv",
        tuple(asdict(people[0])),
        [tuple(asdict(person).values()) for person in people],
    )


def _ratings(person: ParticipantTruth) -> tuple[object, object]:
    """Before and after; "n/a" of people without a label."""
    return (pain_before(person), "n/a") if person.responder is None else pain_ratings(person)
