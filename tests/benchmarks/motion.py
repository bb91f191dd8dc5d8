"""Motion estimation beside ants, SimpleITK, dipy and nipy: same volumes, same run, same threads.

    python tests/benchmarks/motion.py [--frames 20] [--repeats 5] [--peers ants,SimpleITK,dipy,nipy]

Seconds per volume, ratio to ours, memory, and the error against the truth of the simulation (RMS
at 80 mm). Every estimator gets the same frames and the same reference frame; nipy chooses its own
reference and is compared after moving to ours. Imports, compilation and simulation are outside the
clock. Ours is timed on all 200 volumes too. Not part of the timed suite.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.harness import THREADS, Candidate, interleave, report, save

import numpy as np

from app.core.arrays import Floats
from app.core.images import Image4D
from app.preprocessing.geometry import rigid_matrices
from app.preprocessing.motion import estimate_motion
from app.simulation.cohort import CohortSettings
from app.simulation.scan import simulate_volumes
from app.simulation.scanner import ParticipantSettings
from tests.accuracy.motion import errors_mm

Matrices = Floats  # (frame, 4, 4), reference scanner mm -> frame scanner mm


def ours(image: Image4D, _reference: int) -> Matrices:
    """This program's own Gauss-Newton estimator."""
    return rigid_matrices(estimate_motion(image, threads=THREADS))


def ants_rigid(image: Image4D, reference: int) -> Matrices:
    """ants BOLDRigid of every frame to one of them, as ants.motion_correction does."""
    import os

    from app.preprocessing.ants_bridge import _from_itk_affine, import_ants, to_ants

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


def simple_itk(image: Image4D, reference: int) -> Matrices:
    """SimpleITK: Euler transform, mean squares, 30 % regular samples, three levels."""
    import SimpleITK as sitk

    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    lps = flip @ image.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)

    def volume(frame: int) -> sitk.Image:
        made = sitk.GetImageFromArray(np.asarray(image.data[..., frame], np.float32).T)
        made.SetSpacing(spacing.tolist())
        made.SetOrigin(lps[:3, 3].tolist())
        made.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        return made

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    fixed = volume(reference)
    centre = image.affine[:3, :3] @ ((np.array(image.data.shape[:3]) - 1) / 2) + image.affine[:3, 3]
    matrices = []
    for frame in range(image.data.shape[3]):
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMeanSquares()
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(0.3)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 100)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel([4, 2, 1])
        method.SetSmoothingSigmasPerLevel([2, 1, 0])
        start = sitk.Euler3DTransform()
        start.SetCenter((centre * [-1, -1, 1]).tolist())
        method.SetInitialTransform(start, inPlace=False)
        found = sitk.Euler3DTransform(_first(method.Execute(fixed, volume(frame))))
        turn = np.array(found.GetMatrix()).reshape(3, 3)
        middle = np.array(found.GetCenter())
        matrix = np.eye(4)
        matrix[:3, :3] = turn
        matrix[:3, 3] = np.array(found.GetTranslation()) + middle - turn @ middle
        matrices.append(flip @ matrix @ flip)
    return np.stack(matrices)


def _first(found: object) -> object:
    """The rigid transform inside what SimpleITK gives back."""
    import SimpleITK as sitk

    if isinstance(found, sitk.CompositeTransform):
        return found.GetNthTransform(0)
    return found


def dipy_series(image: Image4D, reference: int) -> Matrices:
    """dipy register_series: mutual information, centre of mass, translation, rigid."""
    import logging

    from dipy.align import center_of_mass, register_series, rigid, translation

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("dipy").setLevel(logging.ERROR)
        _, affines = register_series(
            np.asarray(image.data, np.float64), reference,
            pipeline=[center_of_mass, translation, rigid],
            series_affine=image.affine, ref_affine=image.affine,
        )  # fmt: skip
    return np.moveaxis(np.asarray(affines), -1, 0)  # reference mm -> frame mm


def nipy_realign(image: Image4D, _reference: int) -> Matrices:
    """nipy Realign4d (no slice timing), its defaults; relative to its own mean volume."""
    import nibabel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nipy.algorithms.registration import Realign4d
        from nipy.io.nifti_ref import nifti2nipy

        made = nifti2nipy(nibabel.Nifti1Image(np.asarray(image.data), image.affine))
        found = Realign4d(made, tr=image.repetition_time_s)
        found.estimate(refscan=None)
    return np.stack([one.as_affine() for one in found._transforms[0]])


PEERS: dict[str, Callable[[Image4D, int], Matrices]] = {
    "ants": ants_rigid,
    "SimpleITK": simple_itk,
    "dipy": dipy_series,
    "nipy": nipy_realign,
}


def main() -> None:
    """Simulate, time all estimators alternately, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    volumes = simulate_volumes(ParticipantSettings(CohortSettings()))
    frames = np.linspace(5, volumes.data.shape[3] - 1, options.frames).astype(int)
    image = Image4D(
        np.ascontiguousarray(volumes.data[..., frames]), volumes.affine, volumes.repetition_time_s
    )
    reference = options.frames // 2
    small = Image4D(image.data[..., :3], image.affine, image.repetition_time_s)
    wanted = [name for name in options.peers.split(",") if name]
    for work in (ours, *(PEERS[name] for name in wanted)):
        work(small, 1)  # imports and compiles
    whole = Image4D(volumes.data, volumes.affine, volumes.repetition_time_s)
    count = float(options.frames)
    candidates = [
        Candidate("this program", lambda: ours(image, reference), count),
        *(
            Candidate(name, lambda name=name: PEERS[name](image, reference), count)
            for name in wanted
        ),
        Candidate(
            f"this program, all {volumes.data.shape[3]}",
            lambda: ours(whole, 0),
            float(volumes.data.shape[3]),
        ),
    ]
    interleave(candidates, options.repeats)
    lines = []
    for candidate in candidates:
        same = len(candidate.answer) == options.frames
        used = frames if same else np.arange(volumes.data.shape[3])
        error = errors_mm(candidate.answer, volumes.truth, used, reference if same else 100)
        lines.append(
            f"    {candidate.name:26s} error mean {error.mean():.3f}  "
            f"p95 {np.quantile(error, 0.95):.3f}  max {error.max():.3f} mm"
        )
    title = f"Motion, {options.frames} volumes of {volumes.data.shape[:3]}"
    save([report(title, "\n".join(["", *lines]), candidates, "volume")], options.json)


if __name__ == "__main__":
    main()
