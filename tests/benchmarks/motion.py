"""Motion estimation, ours beside ants BOLDRigid: same frames, same run, one thread each.

    python -m tests.benchmarks.motion [--frames 12] [--repeats 3]

Prints seconds per volume, their ratio, and the error against the truth of the simulation.
Imports, compilation and simulation are outside the clock. Not part of the timed suite.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from app.core.arrays import Floats
from app.core.images import Image4D
from app.preprocessing.ants_bridge import _from_itk_affine, import_ants, to_ants
from app.preprocessing.geometry import displacement_at_radius_mm, rigid_matrices, rigid_matrix
from app.preprocessing.motion import estimate_motion
from app.simulation.cohort import CohortSettings
from app.simulation.scan import ScanTruth, simulate_volumes
from app.simulation.scanner import ParticipantSettings


def errors_mm(found: Floats, truth: ScanTruth, frames: Floats, reference: int) -> Floats:
    """RMS error at 80 mm of (frame, 4, 4) maps, relative to the frame at `reference`."""
    true = np.stack([rigid_matrix(truth.motion[frame], truth.motion_centre_mm) for frame in frames])
    return displacement_at_radius_mm(
        true @ np.linalg.inv(true[reference]),
        found @ np.linalg.inv(found[reference]),
        np.asarray(truth.motion_centre_mm),
        80.0,
    )


def ants_rigid(image: Image4D, reference: int) -> Floats:
    """ants BOLDRigid of every frame to one of them, (frame, 4, 4) reference mm -> frame mm."""
    ants = import_ants()
    fixed = to_ants(np.asarray(image.data[..., reference], np.float32), image.affine)
    matrices = []
    for frame in range(image.data.shape[3]):
        moving = to_ants(np.asarray(image.data[..., frame], np.float32), image.affine)
        found = ants.registration(fixed, moving, type_of_transform="BOLDRigid", random_seed=1)
        matrices.append(_from_itk_affine(ants.read_transform(found["fwdtransforms"][-1])))
        for path in {*found["fwdtransforms"], *found["invtransforms"]}:
            os.unlink(path)
    return np.stack(matrices)


def main() -> None:
    """Simulate, time both estimators alternately, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    volumes = simulate_volumes(ParticipantSettings(CohortSettings()))
    frames = np.linspace(5, volumes.data.shape[3] - 1, options.frames).astype(int)
    image = Image4D(volumes.data[..., frames], volumes.affine, volumes.repetition_time_s)
    middle = options.frames // 2
    estimate_motion(Image4D(image.data[..., :3], image.affine, 2.0))  # compiles
    seconds: dict[str, list[float]] = {"ours": [], "ants BOLDRigid": []}
    for _ in range(options.repeats):
        began = time.process_time()
        ours = estimate_motion(image)
        seconds["ours"].append(time.process_time() - began)
        began = time.process_time()
        theirs = ants_rigid(image, middle)
        seconds["ants BOLDRigid"].append(time.process_time() - began)
    print(
        f"{platform.processor() or platform.machine()}, {options.frames} frames "
        f"{volumes.data.shape[:3]}, {options.repeats} repeats, CPU seconds on one thread"
    )
    for name, matrices in (("ours", rigid_matrices(ours)), ("ants BOLDRigid", theirs)):
        error = errors_mm(matrices, volumes.truth, frames, middle)
        each = np.array(seconds[name]) / options.frames
        print(
            f"{name:15s} {np.median(each):8.4f} s/volume   error mean {error.mean():.3f}  "
            f"p95 {np.quantile(error, 0.95):.3f}  max {error.max():.3f} mm"
        )
    ratio = np.array(seconds["ants BOLDRigid"]) / np.array(seconds["ours"])
    print(f"ratio, median over repeats: {np.median(ratio):.0f} (lowest {ratio.min():.0f})")


if __name__ == "__main__":
    main()
