"""A small fMRIPrep dataset made from the template itself: the course of every parcel is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.connectome.atlases import load_atlas
from app.connectome.templates import load_template
from app.core.arrays import Floats
from app.core.results import MOTION_COLUMNS
from app.preprocessing.presets import MOTION_24

FRAMES = 70
REPETITION_TIME_S = 2.0
SPACE = "space-MNI152NLin2009cAsym"


@dataclass(frozen=True)
class MadeRun:
    """Where a run lies and what is in it."""

    bold: Path
    table: Path
    series: Floats  # (frame, parcel), the planted courses, mean 0


def save(path: Path, data: Any, affine: Any, repetition_time_s: float = 0.0) -> Path:
    """Write a NIfTI file with nibabel."""
    import nibabel

    image = nibabel.Nifti1Image(data, affine)
    if repetition_time_s:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time_s))
        image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def make_run(root: Path, run: int, *, shift_mm: float = 0.0, frames: int = FRAMES) -> MadeRun:
    """One preprocessed run at 4 mm, its companions and its confound table."""
    random = np.random.default_rng(100 + run)
    template, atlas = load_template(), load_atlas()
    step = (slice(None, None, 2),) * 3
    contrast = np.asarray(template.epi_contrast_2mm.data)[step].astype(np.float64)
    brain = np.asarray(template.brain_mask_2mm.data)[step].astype(bool)
    labels = np.asarray(atlas.labels_2mm.data)[step]
    affine = np.array(template.epi_contrast_2mm.affine)
    affine[:3, :3] *= 2.0
    affine[:3, 3] += [shift_mm, 0.0, shift_mm]
    count = len(atlas.parcel_names)
    course = random.normal(0, 1, (frames, count))
    courses = np.concatenate([np.zeros((frames, 1)), course], axis=1)
    head = np.where(brain, 800.0 * contrast, 20.0)
    volumes = np.empty((*contrast.shape, frames), np.int16)
    for frame in range(frames):
        signal = head * (1.0 + 0.02 * courses[frame][labels])
        volumes[..., frame] = np.rint(signal + random.normal(0, 4, contrast.shape))
    func = root / "sub-01" / "func"
    func.mkdir(parents=True, exist_ok=True)
    base = f"sub-01_task-rest_run-{run}"
    bold = save(func / f"{base}_{SPACE}_desc-preproc_bold.nii.gz", volumes, affine,
                REPETITION_TIME_S)  # fmt: skip
    facts = {"RepetitionTime": REPETITION_TIME_S, "TaskName": "rest"}
    (func / f"{base}_{SPACE}_desc-preproc_bold.json").write_text(json.dumps(facts))
    save(func / f"{base}_{SPACE}_desc-brain_mask.nii.gz", brain.astype(np.uint8), affine)
    save(func / f"{base}_{SPACE}_boldref.nii.gz", volumes[..., 0], affine)
    table = func / f"{base}_desc-confounds_timeseries.tsv"
    write_table(table, volumes, brain, random)
    return MadeRun(bold, table, course)


def write_table(path: Path, volumes: Any, brain: Any, random: Any) -> None:
    """fMRIPrep's columns, as far as the preset and the checks need them."""
    frames = volumes.shape[3]
    columns: dict[str, Any] = {}
    moved = np.cumsum(random.normal(0, [0.01] * 3 + [0.0001] * 3, (frames, 6)), axis=0)
    for index, name in enumerate(MOTION_COLUMNS):
        step = np.r_[np.nan, np.diff(moved[:, index])]
        columns |= {
            name: moved[:, index],
            f"{name}_derivative1": step,
            f"{name}_power2": moved[:, index] ** 2,
            f"{name}_derivative1_power2": step**2,
        }
    assert set(MOTION_24) <= set(columns)
    steps = np.abs(np.diff(moved, axis=0))
    columns["framewise_displacement"] = np.r_[
        np.nan, steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1)
    ]
    columns["std_dvars"] = np.r_[np.nan, random.uniform(0.9, 1.1, frames - 1)]
    columns["global_signal"] = volumes[brain].mean(axis=0)
    columns["csf"] = random.normal(900, 3, frames)
    columns["white_matter"] = random.normal(700, 3, frames)
    names = list(columns)
    rows = ["\t".join(names)]
    for frame in range(frames):
        values = [columns[name][frame] for name in names]
        rows.append("\t".join("n/a" if np.isnan(v) else repr(float(v)) for v in values))
    path.write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="session")
def derivative(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> MadeRun:
    """One good run."""
    root = tmp_path_factory.mktemp("fmriprep")
    (root / "dataset_description.json").write_text(json.dumps({
        "DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0"}],
    }))  # fmt: skip
    return make_run(root, 1)
