"""Real BOLD dynamics in a raw-like scan, made without the program's own simulator.

The resting-state run that comes with BrainSpace (one person, fsaverage5, 10,242 vertices and
652 frames a hemisphere) is painted through the cortical ribbon, white to pial, onto a head made
of the 2009cAsym template, and scanned: posed by a known affine, moved by known rigid motion,
blurred by the voxel's point spread, read on an EPI grid with trilinear interpolation (the recipe
reads with cubic B-splines), with Rician noise. Only cortex fluctuates.

Repetition time: BrainSpace's files state none (their header's 1000 ms is FreeSurfer's filler for
what it does not know). The subject belongs to the MPI-Leipzig Mind-Brain-Body data (Mendes 2019,
doi 10.1038/sdata.2018.307; Babayan 2019, doi 10.1038/sdata.2018.308): multiband 4, TR 1.4 s, 657
volumes; 652 remain after the first five. The run is already cleaned and band-passed by those who
published it, so what is added here is all that the recipe has to take away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial.transform import Rotation

from app.connectome.atlases import load_atlas, package_file
from app.connectome.surface import load_fsaverage5
from app.connectome.templates import load_template

Array = NDArray[Any]

RUN = "datasets/preprocessing/sub-010188_ses-02_task-rest_acq-AP_run-01.fsa5.{}.mgz"
SIDES = {"left": "lh", "right": "rh"}
REPETITION_TIME_S = 1.4
FRAMES = 240  # 336 s; enough for 300 s of usable time after a few spikes
SHAPE, VOXEL_MM = (64, 64, 36), (3.4, 3.4, 4.0)
SHOWN_PERCENT = 1.0  # median standard deviation at a vertex, as a voxel there shows it
LEVELS = {"grey": 1000.0, "white": 800.0, "csf": 1350.0}  # T2*-like
SCALP_LEVEL, SCALP_FROM_MM, SCALP_TO_MM = 450.0, 6.0, 11.0
NOISE_SD = 10.0  # of each of the two channels: 1 % of grey matter
FWHM_TO_SD = 1.0 / np.sqrt(8.0 * np.log(2.0))
DEPTHS = (np.arange(6) + 0.5) / 6.0  # from white (0) to pial (1)
FACE_STEPS = 4  # points along a triangle's edge, about 1 mm apart
SEED = 20190212


@dataclass(frozen=True)
class RealInput:
    """The scan on disk and everything that is known about it."""

    path: Path
    head_motion: Array  # (frame, 4, 4), head at rest -> head in the frame, scanner RAS+ mm
    pose: Array  # (4, 4), template mm -> scanner mm
    vertex_percent: dict[str, Array]  # side -> (vertex, frame), as painted; 0 on the medial wall


def make_real_input(folder: Path) -> RealInput:
    """Write ``sub-realrest_task-rest_bold.nii.gz`` and its sidecar into `folder`.

    Deterministic: the same bytes of voxels each time.
    """
    fine = np.asarray(load_template().epi_contrast_2mm.affine)
    percent = read_run()
    still, bold = fine_head(percent, fine)
    gain = SHOWN_PERCENT / shown_percent(percent, still, bold, fine)
    bold *= np.float32(gain)
    percent = {side: values * np.float32(gain) for side, values in percent.items()}
    affine, pose, motion = grid_affine(), pose_matrix(), head_motion()
    volumes = scan(still, bold, fine, affine, pose, motion)
    path = folder / "sub-realrest_task-rest_bold.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(volumes, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = REPETITION_TIME_S
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nibabel.save(image, path)
    sidecar = {
        "RepetitionTime": REPETITION_TIME_S,
        "TaskName": "rest",
        "MagneticFieldStrength": 3,
        "Manufacturer": "none: real BOLD dynamics, painted onto a template head",
    }
    (folder / "sub-realrest_task-rest_bold.json").write_text(json.dumps(sidecar))
    return RealInput(path, motion, pose, percent)


def read_run() -> dict[str, Array]:
    """First `FRAMES` frames of the run, in its own unit: side -> (vertex, frame) float32."""
    series = {}
    for side, short in SIDES.items():
        image: Any = nibabel.load(package_file("brainspace", RUN.format(short)))
        values = np.asarray(image.dataobj, np.float32).reshape(image.shape[0], -1)
        series[side] = np.ascontiguousarray(values[:, :FRAMES])
    return series


def shown_percent(percent: dict[str, Array], still: Array, bold: Array, affine: Array) -> float:
    """Median standard deviation that noise-free voxels show at the vertices, percent.

    The run's vertex values are what the voxels of a scanner showed there, fluid and white matter
    in the voxel included; so the voxels here, not the pure tissue, must show that amplitude.
    """
    surface = load_fsaverage5(load_atlas())
    found = []
    for side, values in percent.items():
        middle = 0.5 * (surface[f"white_{side}"] + surface[f"pial_{side}"])
        place = (middle[values.std(axis=1) > 0] - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
        voxel = tuple(np.rint(place).astype(np.intp).T)
        found.append(100.0 * bold[voxel].std(axis=1) / still[voxel])
    return float(np.median(np.concatenate(found)))


def fine_head(percent: dict[str, Array], affine: Array) -> tuple[Array, Array]:
    """A 2 mm head at rest and its fluctuation, both blurred by the voxel's point spread.

    Returns
    -------
    still, bold
        (x, y, z) float32 and (x, y, z, frame) float32, scanner units.
    """
    template = load_template()
    maps = {"grey": template.grey_2mm, "white": template.white_2mm, "csf": template.csf_2mm}
    still = sum(level * np.asarray(maps[name].data) for name, level in LEVELS.items())
    outside = ndimage.distance_transform_edt(~np.asarray(template.brain_mask_2mm.data), sampling=2)
    still[(outside > SCALP_FROM_MM) & (outside < SCALP_TO_MM)] = SCALP_LEVEL
    weights, share = ribbon_weights(affine, still.shape)
    change = sparse.diags(still.ravel() * share / 100.0) @ weights
    for axis in range(3):
        change = _blur_along(axis, still.shape) @ change
    series = np.concatenate([percent["left"], percent["right"]])
    bold = np.asarray(change.tocsr().astype(np.float32) @ series, np.float32)
    sigma = [size * FWHM_TO_SD / 2.0 for size in VOXEL_MM]
    smooth = ndimage.gaussian_filter(still.astype(np.float32), sigma, truncate=3.0)
    return smooth, bold.reshape(*still.shape, FRAMES)


def ribbon_weights(affine: Array, shape: tuple[int, ...]) -> tuple[Any, Array]:
    """How vertices fill voxels: points all through the ribbon, each the mix of three vertices.

    Returns
    -------
    weights
        Sparse (voxel, left and right vertex), rows sum to 1 or are empty.
    share
        (voxel,) 0..1, part of the voxel that the ribbon fills.
    """
    surface = load_fsaverage5(load_atlas())
    steps = range(FACE_STEPS)
    mixes = [
        np.array([i + 1 / 3, j + 1 / 3, FACE_STEPS - i - j - 2 / 3]) / FACE_STEPS
        for i in steps for j in steps if i + j < FACE_STEPS
    ]  # fmt: skip
    rows, columns, amounts = [], [], []
    offset = 0
    for side in SIDES:
        white = surface[f"white_{side}"].astype(np.float64)
        pial = surface[f"pial_{side}"].astype(np.float64)
        faces = surface[f"faces_{side}"]
        for mix in mixes:
            low = np.einsum("fkx,k->fx", white[faces], mix)
            high = np.einsum("fkx,k->fx", pial[faces], mix)
            volume = _ribbon_volume(white[faces], pial[faces], low, high)
            volume /= len(mixes) * len(DEPTHS)
            for depth in DEPTHS:
                place = low + depth * (high - low) - affine[:3, 3]
                voxel = np.rint(place @ np.linalg.inv(affine[:3, :3]).T).astype(np.intp)
                rows.append(np.repeat(np.ravel_multi_index(tuple(voxel.T), shape), 3))
                columns.append(offset + faces.ravel())
                amounts.append((volume[:, None] * mix).ravel())
        offset += len(white)
    filled = sparse.coo_matrix(
        (np.concatenate(amounts), (np.concatenate(rows), np.concatenate(columns))),
        shape=(int(np.prod(shape)), offset),
    ).tocsr()
    total = np.asarray(filled.sum(axis=1)).ravel()
    share = np.minimum(total / abs(np.linalg.det(affine[:3, :3])), 1.0)
    return sparse.diags(1.0 / np.where(total > 0, total, 1.0)) @ filled, share


def _ribbon_volume(white: Array, pial: Array, low: Array, high: Array) -> Array:
    """mm³ of the ribbon over each face: mean of its two areas times the local thickness."""
    area = 0.0
    for corner in (white, pial):
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        area = area + 0.25 * np.linalg.norm(normal, axis=1)
    return np.asarray(area * np.linalg.norm(high - low, axis=1))


def _blur_along(axis: int, shape: tuple[int, ...]) -> Any:
    """Sparse matrix of the point spread along one axis of a C-ordered volume."""
    sigma = VOXEL_MM[axis] * FWHM_TO_SD / 2.0
    reach = int(3.0 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    line = sparse.diags(list(kernel), list(range(-reach, reach + 1)), (shape[axis], shape[axis]))
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    return sparse.kron(sparse.kron(sparse.eye(before), line), sparse.eye(after), format="csr")


def grid_affine() -> Array:
    """Stored voxel -> scanner mm: LAS storage, slices tilted by 12 degrees about the ear axis."""
    affine = np.eye(4)
    tilt = Rotation.from_euler("x", 12.0, degrees=True).as_matrix()
    affine[:3, :3] = tilt @ np.diag([-VOXEL_MM[0], VOXEL_MM[1], VOXEL_MM[2]])
    affine[:3, 3] = [2.0, -14.0, 12.0] - affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2.0)
    return affine


def pose_matrix() -> Array:
    """Template mm -> scanner mm of the head at rest: size, turn and place of this person."""
    pose = np.eye(4)
    turn = Rotation.from_euler("xyz", [9.0, -2.0, 3.0], degrees=True).as_matrix()
    pose[:3, :3] = turn @ np.diag([0.97, 0.95, 0.98])
    pose[:3, 3] = [3.0, 6.0, 4.0]
    return pose


def head_motion() -> Array:
    """(frame, 4, 4): slow drift, small breathing-like sway, and four spikes, about the head."""
    time = np.linspace(0.0, 1.0, FRAMES)
    sway = np.sin(2.0 * np.pi * 0.27 * REPETITION_TIME_S * np.arange(FRAMES))
    wander = np.sin(2.0 * np.pi * 3.3 * time + 0.4)
    shift_mm = np.stack([0.2 * time, 0.05 * sway + 0.1 * wander, 0.6 * time**2 + 0.04 * sway], 1)
    turn_deg = np.stack([0.6 * time + 0.04 * sway, 0.15 * wander, -0.3 * time], 1)
    for frame, length, shift, turn in (
        (37, 1, (0.0, 0.5, 1.0), (0.8, 0.0, 0.0)),
        (96, 2, (0.6, 0.0, -0.5), (0.0, 0.5, 0.6)),
        (150, 1, (0.0, -0.4, 1.5), (-1.2, 0.0, 0.0)),
        (201, 3, (0.3, 0.3, 0.4), (0.5, -0.4, 0.0)),
    ):
        shift_mm[frame : frame + length] += shift
        turn_deg[frame : frame + length] += turn
    centre_mm = pose_matrix()[:3, 3]
    motion = np.tile(np.eye(4), (FRAMES, 1, 1))
    motion[:, :3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    motion[:, :3, 3] = centre_mm + shift_mm - motion[:, :3, :3] @ centre_mm
    return motion


def parcel_truth(real: RealInput, frames: slice) -> tuple[Array, Array]:
    """Mean of each cortical parcel's own vertices.

    Returns
    -------
    percent, vertices
        (frame, cortical parcel) float64, percent of baseline; (cortical parcel,), how many
        vertices that carry signal. Left parcels come first, then their right homologues.
    """
    atlas = load_atlas()
    surface = load_fsaverage5(atlas)
    total = np.zeros((atlas.cortical_count, FRAMES))
    vertices = np.zeros(atlas.cortical_count, np.int64)
    for side, values in real.vertex_percent.items():
        labels = surface[f"labels_{side}"].astype(np.intp)
        kept = (labels > 0) & (values.std(axis=1) > 0)
        np.add.at(total, labels[kept] - 1, values[kept])
        vertices += np.bincount(labels[kept] - 1, minlength=len(vertices))
    return (total / np.maximum(vertices, 1)[:, None]).T[frames], vertices


def scan(
    still: Array, bold: Array, fine: Array, affine: Array, pose: Array, motion: Array
) -> Array:
    """Read the moving head on the scanner's grid; (x, y, z, frame) int16 with Rician noise."""
    rng = np.random.default_rng(SEED)
    mesh = np.indices(SHAPE).reshape(3, -1)
    volumes = np.empty((*SHAPE, FRAMES), np.int16, order="F")
    for frame in range(FRAMES):
        # Scanner voxel -> mm -> the head at rest -> template -> fine voxel.
        back = np.linalg.inv(fine) @ np.linalg.inv(motion[frame] @ pose) @ affine
        place = back[:3, :3] @ mesh + back[:3, 3:]
        head = still + bold[..., frame]
        signal = ndimage.map_coordinates(head, place, order=1, mode="constant", output=np.float32)
        noise = rng.standard_normal((2, signal.size), dtype=np.float32) * np.float32(NOISE_SD)
        measured = np.hypot(signal + noise[0], noise[1])
        volumes[..., frame] = np.rint(measured).reshape(SHAPE)
    return volumes
