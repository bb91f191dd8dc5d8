"""The whole raw route, scan on disk to cleaned parcel series, beside the same job by peers.

    python tests/benchmarks/raw_route.py [--frames 60] [--repeats 5] [--json FILE]
    python tests/benchmarks/raw_route.py --large [--volumes 490]

Peers, chained: nibabel, ants motion_correction, SyNQuick of the mean to the same EPI template,
4-D apply_transforms, NiftiLabelsMasker with clean (24 motion parameters, high-pass). One thread
each, rounds interleaved. Correctness: parcel means against those of the true transform, parcels of
20 voxels and more, motion and distortion included. `--large` runs ours alone on a scan of the size
of UK Biobank's (97 x 115 x 97 x 490: 1.1 GB as int16): peak memory, and seconds of each step
at a quarter, a half and the whole number of volumes, so that any step that grows faster shows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.harness import (
    THREADS,
    Candidate,
    interleave,
    peak_mib,
    report,
    reset_peak,
    save,
)

import numpy as np

from app.core.images import Image4D
from app.core.progress import Progress
from app.preprocessing.chain import Preprocessed, preprocess
from app.preprocessing.sampling import sample_parcels
from app.scans.nifti import read_nifti
from tests.benchmarks.preprocessing import Bench, _ants_run
from tests.accuracy.truth import column_correlations, oracle_map, true_motion

MINIMUM_POINTS = 20


def ours(bench: Bench, number: Any) -> Preprocessed:
    """Open the file and run the chain."""
    loaded = read_nifti(bench.person.paths.bold, cache_dir=bench.folder / f"run-{next(number)}")
    return preprocess(loaded.image, bench.atlas.points, bench.images, bench.preset, threads=THREADS)


def peers(bench: Bench) -> Any:
    """The usual packages one after the other; (frame, parcel) cleaned series, and the volume."""
    import nibabel
    from nilearn.maskers import NiftiLabelsMasker

    from app.preprocessing.ants_bridge import import_ants, to_ants

    ants = import_ants()
    image = nibabel.as_closest_canonical(nibabel.load(bench.person.paths.bold))
    stored = Image4D(np.asarray(image.dataobj), image.affine, bench.image.repetition_time_s)
    moving = _ants_run(ants, stored)
    corrected = ants.motion_correction(moving, type_of_transform="BOLDRigid")
    run = corrected["motion_corrected"]
    mean = ants.get_average_of_timeseries(run)
    epi, brain = bench.template.epi_contrast_2mm, bench.template.brain_mask_2mm
    fixed = to_ants(np.where(brain.data, epi.data, 0), epi.affine)
    masked = mean * ants.get_mask(mean)
    found = ants.registration(fixed, masked, type_of_transform="antsRegistrationSyNQuick[s]")
    moved = ants.apply_transforms(fixed, run, found["fwdtransforms"], imagetype=3)
    motion = np.stack(
        [ants.read_transform(paths[-1]).parameters for paths in corrected["motion_parameters"]]
    )[:, :12]
    motion = motion - motion.mean(axis=0)
    six = motion[:, np.argsort(motion.std(axis=0))[-6:]]  # a rigid matrix has six free values
    steps = np.vstack([np.zeros((1, 6)), np.diff(six, axis=0)])
    masker = NiftiLabelsMasker(
        nibabel.Nifti1Image(np.asarray(bench.atlas.labels_2mm.data), epi.affine),
        resampling_target=None, standardize=None, detrend=True, high_pass=0.01,
        t_r=bench.image.repetition_time_s,
    )  # fmt: skip
    volume = nibabel.Nifti1Image(moved.numpy(), epi.affine)
    return masker.fit_transform(volume, confounds=np.hstack([six, steps, six**2, steps**2])), volume


def oracle(bench: Bench) -> Any:
    """Series before cleaning of the true transform and true motion; parcels large enough."""
    done = bench.done
    sampled = sample_parcels(
        bench.image,
        true_motion(bench.person.truth),
        oracle_map(bench.person.truth, bench.image.affine, bench.template.name),
        bench.atlas.points,
        done.mask,
        first_frame=done.first_frame,
    )
    return sampled.series, sampled.points_used >= MINIMUM_POINTS


def means_of(bench: Bench, volume: Any) -> Any:
    """Parcel means of the peers' 4-D volume, before cleaning; (frame, parcel)."""
    import nibabel
    from nilearn.maskers import NiftiLabelsMasker

    labels = bench.atlas.labels_2mm
    masker = NiftiLabelsMasker(
        nibabel.Nifti1Image(np.asarray(labels.data), labels.affine),
        resampling_target=None,
        standardize=None,
    )
    found = masker.fit_transform(volume)
    series = np.full((len(found), bench.atlas.points.parcel_count), np.nan)
    series[:, np.unique(np.asarray(labels.data))[1:] - 1] = found
    return series


def compare(frames: int, repeats: int) -> list[dict[str, Any]]:
    """Both routes on one simulated participant."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = Bench(Path(folder), frames)
        number = iter(range(10_000))
        candidates = [
            Candidate("this program, raw route", lambda: ours(bench, number)),
            Candidate("nibabel + ants + nilearn, chained", lambda: peers(bench)),
        ]
        interleave(candidates, repeats)
        truth, large = oracle(bench)
        first, good = bench.done.first_frame, np.asarray(bench.done.good_frames)
        mine = candidates[0].answer.sampled.series
        theirs = means_of(bench, candidates[1].answer[1])[first:]
        lines = [
            _agreement("this program", mine, truth, large, good),
            _agreement("peers", theirs, truth, large, good),
        ]
        title = f"Raw route, {frames} volumes of {bench.image.data.shape[:3]}"
        return [report(title, "\n    ".join(["", *lines]), candidates, "scan")]


def _agreement(name: str, series: Any, truth: Any, large: Any, good: Any) -> str:
    from scipy.signal import detrend

    used = large & np.isfinite(series).all(axis=0) & np.isfinite(truth).all(axis=0)
    r = column_correlations(
        detrend(series[good][:, used], axis=0), detrend(truth[good][:, used], axis=0)
    )
    return (
        f"{name}: r with the detrended series of the true transform, median {np.median(r):.3f}, "
        f"5th percentile {np.quantile(r, 0.05):.3f} ({int(used.sum())} parcels)"
    )


class StepClock(Progress):
    """Seconds of each stage of the chain."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}
        self._name, self._since = "", time.perf_counter()

    def stage(self, name: str) -> Any:
        """Note when a stage begins; the one before it ends there."""
        self.change(name)
        return super().stage(name)

    def change(self, name: str) -> None:
        """Close the current stage and begin another."""
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = now - self._since
        self._name, self._since = name, now


def large(volumes: int) -> list[dict[str, Any]]:
    """Ours on 97 x 115 x 97: memory, and how each step grows with the number of volumes."""
    from scipy import ndimage

    tables = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), 60)
        shape = (97, 115, 97)
        step = np.array([64 * 3.4, 64 * 3.4, 36 * 4.0]) / shape
        path = Path(folder) / "large.raw"
        data = np.memmap(path, np.int16, "w+", shape=(*shape, volumes), order="F")
        factor = np.array(shape) / bench.image.data.shape[:3]
        for frame in range(volumes):
            source = np.asarray(bench.image.data[..., 5 + frame % 50], np.float32)
            data[..., frame] = ndimage.zoom(source, factor, order=1, grid_mode=True, mode="nearest")
        affine = bench.image.affine.copy()
        affine[:3, :3] = bench.image.affine[:3, :3] / [3.4, 3.4, 4.0] @ np.diag(step)
        data.flush()
        del data
        for count in (volumes // 4, volumes // 2, volumes):
            run = np.memmap(path, np.int16, "r", shape=(*shape, volumes), order="F")[..., :count]
            reset_peak()
            clock = StepClock()
            preprocess(
                Image4D(run, affine, 0.735), bench.atlas.points, bench.images, bench.preset,
                progress=clock, threads=THREADS,
            )  # fmt: skip
            clock.change("")
            row = {"volumes": count, "peak_mib": peak_mib(), "seconds": clock.seconds}
            tables.append(row)
            steps = "  ".join(f"{name} {value:.1f}" for name, value in clock.seconds.items())
            print(
                f"{count:4d} volumes: peak {row['peak_mib']:.0f} MiB; seconds: {steps}", flush=True
            )
    return tables


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--volumes", type=int, default=490)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = large(options.volumes) if options.large else compare(options.frames, options.repeats)
    save(found, options.json)


if __name__ == "__main__":
    main()
