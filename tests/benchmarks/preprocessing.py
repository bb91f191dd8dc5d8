"""Each stage of the raw route beside the packages that do the same: correctness first, one run.

    python tests/benchmarks/preprocessing.py [load sampling cleaning registration]
        [--repeats 5] [--frames 200] [--json FILE]

Same scan, one thread each (BENCHMARK_THREADS), rounds interleaved, imports
and compilation outside the clock. Peers come with the project's extra `benchmark`. Motion has
its own script beside this one, and so has the whole route (`raw_route.py`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.harness import THREADS, Candidate, interleave, report, save

import numpy as np

from app.connectome.atlases import Atlas, load_atlas
from app.connectome.templates import Template, load_template
from app.core.images import Image3D, Image4D, SpatialMap
from app.preprocessing.brain_mask import find_brain_mask
from app.preprocessing.chain import TemplateImages, preprocess
from app.preprocessing.cleaning import clean_series
from app.preprocessing.presets import find_preset
from app.preprocessing.registration import register_to_template
from app.preprocessing.sampling import sample_parcels
from app.preprocessing.spatial_map import (
    normalised_correlation,
    overlap_dice,
)
from app.scans.nifti import read_nifti
from app.simulation.cohort import CohortSettings
from app.simulation.participant import SimulatedParticipant, simulate_participant
from app.simulation.scanner import ParticipantSettings
from tests.accuracy.truth import distortion_at, seen_points

Tables = list[dict[str, Any]]
FULL_VOXEL_POINTS = 8  # parcels with fewer voxels at 2 mm are sampled more finely by us


class Bench:
    """One simulated participant and everything that the stages need of it, made once."""

    def __init__(self, folder: Path, frames: int) -> None:
        self.folder = folder
        settings = ParticipantSettings(CohortSettings(count=1, seed=1, frames=frames), 0)
        self.person: SimulatedParticipant = simulate_participant(settings, folder / "bids")
        loaded = read_nifti(self.person.paths.bold, cache_dir=folder / "cache")
        self.image: Image4D = loaded.image
        self.atlas: Atlas = load_atlas("HCPEx")
        self.template: Template = load_template(self.atlas.template)
        self.images = TemplateImages(
            self.template.epi_contrast_2mm, self.template.brain_mask_2mm,
            self.template.csf_2mm, self.template.white_2mm,
        )  # fmt: skip
        self.preset = find_preset("simple-highpass")
        self.done = preprocess(  # also compiles every kernel
            self.image, self.atlas.points, self.images, self.preset, threads=THREADS
        )

    def affine_only(self) -> SpatialMap:
        """The scan's own map without its warp: a transform that every peer can hold exactly."""
        return replace(self.done.spatial_map, displacement_mm=None, displacement_affine=None)


def load(bench: Bench, repeats: int) -> Tables:
    """Open a compressed run: ours also hashes, checks every voxel and maps the result."""
    import nibabel

    paths = {"int16": bench.person.paths.bold}
    stored = nibabel.load(paths["int16"])
    values = np.asarray(stored.dataobj)
    paths["float32"] = bench.folder / "float.nii.gz"
    header = stored.header.copy()
    header.set_data_dtype(np.float32)
    header.set_slope_inter(1, 0)
    nibabel.Nifti1Image(values.astype(np.float32), stored.affine, header).to_filename(
        paths["float32"]
    )
    tables = []
    for kind, path in paths.items():
        number = iter(range(10_000))

        def ours(path: Path = path, number: Any = number) -> Image4D:
            return read_nifti(path, cache_dir=bench.folder / f"load-{next(number)}").image

        candidates = [
            Candidate("this program (hash, checks, memory map)", ours),
            Candidate(
                "nibabel get_fdata",
                lambda path=path: nibabel.load(path).get_fdata(caching="unchanged"),
            ),
            Candidate(
                "nibabel asarray(dataobj)", lambda path=path: np.asarray(nibabel.load(path).dataobj)
            ),
        ]
        interleave(candidates, repeats)
        mine = candidates[0].answer
        theirs = nibabel.as_closest_canonical(nibabel.load(path)).get_fdata()
        equal = np.array_equal(mine.data * np.float64(mine.slope) + mine.intercept, theirs)
        megabytes = path.stat().st_size / 2**20
        tables.append(
            report(
                f"Load {values.shape} {kind}, {megabytes:.0f} MiB compressed",
                f"bit-equal to nibabel: {equal}",
                candidates,
                "scan",
            )
        )
    return tables


def sampling(bench: Bench, repeats: int) -> Tables:
    """Raw frames to parcel means: ours reads atlas points only; peers make the 4-D volume."""
    from nilearn.maskers import NiftiLabelsMasker

    from app.preprocessing.ants_bridge import _to_itk_affine, import_ants, to_ants

    ants = import_ants()
    plain = bench.affine_only()
    whole = Image3D(np.ones(bench.image.data.shape[:3], bool), bench.image.affine, "scanner")
    labels = bench.atlas.labels_2mm
    fixed = to_ants(labels.data, labels.affine)
    moving = _ants_run(ants, bench.image)
    matrix = bench.folder / "affine.mat"
    ants.write_transform(_to_itk_affine(ants, plain.affine), str(matrix))
    masker = NiftiLabelsMasker(
        _nifti(labels.data, labels.affine), resampling_target=None, standardize=None
    )

    def ours() -> Any:
        return sample_parcels(bench.image, None, plain, bench.atlas.points, whole, threads=THREADS)

    def theirs(interpolator: str) -> Any:
        moved = ants.apply_transforms(
            fixed, moving, [str(matrix)], interpolator=interpolator, imagetype=3
        )
        return masker.fit_transform(_nifti(moved.numpy(), labels.affine))

    candidates = [
        Candidate("this program (cubic B-spline at atlas points)", ours),
        Candidate("ants bSpline + NiftiLabelsMasker", lambda: theirs("bSpline")),
        Candidate("ants linear + NiftiLabelsMasker", lambda: theirs("linear")),
    ]
    interleave(candidates, repeats)
    sampled, other = candidates[0].answer, candidates[1].answer
    counts = np.bincount(
        np.asarray(labels.data).ravel(), minlength=bench.atlas.points.parcel_count + 1
    )
    same = (sampled.coverage == 1.0) & (counts[1:] >= FULL_VOXEL_POINTS)
    present = np.flatnonzero(counts[1:] > 0)
    columns = np.searchsorted(present, np.flatnonzero(same))
    difference = np.abs(sampled.series[:, same] - other[:, columns]) / np.abs(other[:, columns])
    gate = (
        f"relative difference of parcel means to ants' B-spline: median "
        f"{np.median(difference):.1e}, max {difference.max():.1e}, {int(same.sum())} whole parcels"
    )
    return [
        report(f"Sample and parcellate, {len(sampled.series)} frames", gate, candidates, "scan")
    ]


def cleaning(bench: Bench, repeats: int) -> Tables:
    """Detrend, high-pass, 26 regressors: ours on parcel series; peers on series and on voxels."""
    from nilearn.maskers import NiftiLabelsMasker
    from nilearn.signal import clean

    done = bench.done
    good = np.ones(len(done.sampled.series), bool)
    confounds = {name: np.nan_to_num(value) for name, value in done.confounds.items()}
    design = np.column_stack([confounds[name] for name in bench.preset.regressors])
    labels = bench.atlas.labels_2mm
    covered = np.flatnonzero(np.isfinite(done.sampled.series).all(axis=0))
    present = np.unique(np.asarray(labels.data))[1:] - 1
    used = np.intersect1d(covered, present)
    series = np.full(done.sampled.series.shape, np.nan)
    series[:, used] = done.sampled.series[:, used]
    # A volume in which every voxel shows its parcel's series: what a masker must give is known.
    painted = np.zeros((*labels.data.shape, len(series)), np.float32)
    for parcel in used:
        painted[np.asarray(labels.data) == parcel + 1] = series[:, parcel]
    volume = _nifti(painted, labels.affine)
    kept = np.where(np.isin(np.asarray(labels.data), used + 1), labels.data, 0).astype(np.int16)
    step = {
        "detrend": True, "standardize": None, "t_r": bench.image.repetition_time_s,
        "high_pass": bench.preset.high_pass_hz, "low_pass": None,
    }  # fmt: skip
    tr = bench.image.repetition_time_s
    whole = NiftiLabelsMasker(_nifti(kept, labels.affine), resampling_target=None, **step)
    bare = NiftiLabelsMasker(_nifti(kept, labels.affine), resampling_target=None, standardize=None)
    candidates = [
        Candidate("this program, parcel series",
                  lambda: clean_series(series, confounds, good, tr, bench.preset)),
        Candidate("nilearn.signal.clean, parcel series",
                  lambda: clean(series[:, used], confounds=design, **step)),
        Candidate("NiftiLabelsMasker with clean",
                  lambda: whole.fit_transform(volume, confounds=design)),
        Candidate("NiftiLabelsMasker without clean", lambda: bare.fit_transform(volume)),
    ]  # fmt: skip
    interleave(candidates, repeats)
    mine = candidates[0].answer.percent[:, used]
    mean = series[:, used].mean(axis=0)
    theirs = 100.0 * candidates[2].answer / mean
    gap = np.abs(mine - theirs).max() / np.abs(theirs).max()
    gate = f"largest difference to the masker's cleaned series, of their largest value: {gap:.1e}"
    return [report(f"Clean {len(used)} parcels x {len(series)} frames", gate, candidates, "scan")]


def registration(bench: Bench, repeats: int) -> Tables:
    """The reference volume to the EPI-contrast template; scored on truth and template."""
    from app.preprocessing.ants_bridge import correct_bias, import_ants, to_ants

    ants = import_ants()
    boldref, mask = bench.done.boldref, find_brain_mask(bench.done.boldref).image
    epi, brain = bench.template.epi_contrast_2mm, bench.template.brain_mask_2mm
    fixed = to_ants(np.where(brain.data, epi.data, 0), epi.affine)

    def ours() -> SpatialMap:
        return register_to_template(boldref, mask, epi, brain, seed=1)

    def peer(kind: str) -> Any:
        inside = np.asarray(mask.data, bool)
        moving = to_ants(np.where(inside, correct_bias(boldref, inside), 0), boldref.affine)
        return ants.registration(fixed, moving, type_of_transform=kind, random_seed=1)

    candidates = [
        Candidate("this program (N4, affine, warp, checks)", ours),
        Candidate("N4 + ants SyN", lambda: peer("SyN")),
        Candidate("N4 + ants SyNQuick", lambda: peer("antsRegistrationSyNQuick[s]")),
    ]
    interleave(candidates, repeats)
    lines = []
    for candidate in candidates:
        mine = isinstance(candidate.answer, SpatialMap)
        place = _ours_at(candidate.answer) if mine else _theirs_at(ants, candidate.answer)
        lines.append(f"{candidate.name}: {_scores(bench, place, boldref, mask)}")
    return [report("EPI to MNI", "\n    ".join(["", *lines]), candidates, "scan")]


def _ours_at(spatial_map: SpatialMap) -> Any:
    from app.preprocessing.spatial_map import to_scanner

    return lambda points: to_scanner(spatial_map, points)


def _theirs_at(ants: Any, found: Any) -> Any:
    """Points of the fixed image taken to the moving one; ants' points are LPS data frames."""
    import pandas

    def place(points: Any) -> Any:
        table = pandas.DataFrame(points * [-1, -1, 1], columns=["x", "y", "z"])
        moved = ants.apply_transforms_to_points(3, table, found["fwdtransforms"])
        return moved[["x", "y", "z"]].to_numpy() * [-1, -1, 1]

    return place


def _scores(bench: Bench, place: Any, boldref: Image3D, mask: Image3D) -> str:
    """Target registration error at parcel centroids; Dice and correlation on the 2 mm template."""
    truth, affine = bench.person.truth, bench.image.affine
    centroids = bench.atlas.centroids_mm
    true = seen_points(truth, affine, centroids)
    error = np.linalg.norm(place(centroids) - true, axis=1)
    flat = distortion_at(truth, affine, true) < 2.0
    epi, brain = bench.template.epi_contrast_2mm, bench.template.brain_mask_2mm
    grid = np.stack(np.meshgrid(*[np.arange(0, n, 2) for n in epi.data.shape], indexing="ij"), -1)
    points = grid.reshape(-1, 3) @ epi.affine[:3, :3].T + epi.affine[:3, 3]
    from app.preprocessing.spatial_map import read_at

    at = place(points)
    values = read_at(boldref, at, 1)
    inside = read_at(mask, at, 0).astype(bool)
    target = np.asarray(brain.data, bool)[::2, ::2, ::2].ravel()
    dice = overlap_dice(inside, target)
    template = np.asarray(epi.data)[::2, ::2, ::2].ravel()
    similarity = normalised_correlation(values, template, inside & target)
    return (
        f"TRE median {np.median(error[flat]):.2f} mm undistorted, {np.median(error[~flat]):.2f} mm "
        f"where distortion > 2 mm; Dice {dice:.3f}, NCC {similarity:.3f}"
    )


def _ants_run(ants: Any, image: Image4D) -> Any:
    """The run as a 4-D ants image."""
    from app.preprocessing.ants_bridge import to_ants

    first = to_ants(np.asarray(image.data[..., 0], np.float32), image.affine)
    direction = np.eye(4)
    direction[:3, :3] = first.direction
    return ants.from_numpy(
        np.ascontiguousarray(image.data, np.float32),
        origin=(*first.origin, 0.0), spacing=(*first.spacing, image.repetition_time_s),
        direction=direction,
    )  # fmt: skip


def _nifti(data: Any, affine: Any) -> Any:
    import nibabel

    return nibabel.Nifti1Image(np.asarray(data), affine)


STAGES = (load, sampling, cleaning, registration)


def main() -> None:
    """Run the stages asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    known = {stage.__name__: stage for stage in STAGES}
    tables: Tables = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.frames)
        for name in options.stages or known:
            tables += known[name](bench, options.repeats)
            save(tables, options.json)


if __name__ == "__main__":
    main()
