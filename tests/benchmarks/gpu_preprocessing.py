"""Motion and sampling: processor against graphics card on one simulated series.

    python tests/benchmarks/gpu_preprocessing.py [--large] [--frames N] [--device cuda] [--out FILE]

Needs torch, numpy, scipy and numba only (with numba's llvmlite), no other part of the program's
environment. The correctness gate comes first: deviations beyond the stated tolerances end with
exit code 1. Times are medians of `--repeats` runs after one warm-up each, the two interleaved.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.core.images import Image3D, Image4D, ParcelPoints, SpatialMap
from app.preprocessing.geometry import (
    apply_affine,
    displacement_at_radius_mm,
    grid_points_mm,
    rigid_matrices,
    rigid_matrix,
)
from app.preprocessing.motion import estimate_motion
from app.preprocessing.sampling import sample_parcels

MOTION_TOLERANCE_MM = 0.01  # RMS at 80 mm, between the two devices
SAMPLING_TOLERANCE = 1e-5  # of the series' size
PARCELS, POINTS = 426, 124_000


def head(shape: tuple[int, int, int], spacing_mm: float, frames: int) -> tuple[Image4D, Any]:
    """A textured ellipsoid that drifts, jumps once by 4 mm, and is noisy; and its true motion."""
    from scipy import ndimage

    rng = np.random.default_rng(0)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = -(np.array(shape) - 1) / 2 * spacing_mm
    place = grid_points_mm(shape, affine)
    extent = np.array(shape) * spacing_mm
    radius = np.sqrt(((place / (0.36 * extent)) ** 2).sum(axis=1)).reshape(shape)
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 6.0 / spacing_mm)
    texture = 1.0 + 0.25 * texture / texture.std()
    still = ndimage.gaussian_filter(np.where(radius < 1.0, 1000.0 * texture, 20.0), 1.0)
    coefficients = ndimage.spline_filter(still, 5)
    steps = rng.normal(size=(frames, 6)) * np.repeat([0.05, 0.0008], 3)
    motion = np.cumsum(steps, axis=0)
    motion[frames // 3] += [1.5, -2.5, 2.5, 0.03, 0.0, -0.02]
    data = np.empty((*shape, frames), np.int16, order="F")
    to_voxel = np.linalg.inv(affine)
    for frame in range(frames):
        back = np.linalg.inv(rigid_matrix(motion[frame], np.zeros(3)))
        voxels = apply_affine(to_voxel, apply_affine(back, place)).T
        values = ndimage.map_coordinates(coefficients, voxels, order=5, prefilter=False)
        noisy = values + rng.normal(0.0, 10.0, values.size)
        data[..., frame] = np.clip(noisy, 0, 32000).round().reshape(shape)
    return Image4D(data, affine, 2.0), motion


def clocked(work: Callable[[], Any], device: str) -> tuple[Any, float]:
    """Result and seconds, the card's queue emptied on both sides."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - began


def interleaved(
    ours: Callable[[], Any], card: Callable[[], Any], repeats: int, device: str
) -> tuple[Any, Any, float, float]:
    """Both results and both medians, after one warm-up each."""
    first, second = ours(), card()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        times[0].append(clocked(ours, "cpu")[1])
        times[1].append(clocked(card, device)[1])
    return first, second, float(np.median(times[0])), float(np.median(times[1]))


def main() -> int:
    """Run both, print one JSON object, and say by the exit code whether they agree."""
    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true", help="97 x 115 x 97 voxels")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device, threads = options.device, options.threads
    if device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device.")
        return 2
    shape, spacing = ((97, 115, 97), 2.0) if options.large else ((64, 64, 36), 3.4)
    image, truth = head(shape, spacing, options.frames)
    one, two, slow, fast = interleaved(
        lambda: estimate_motion(image, threads=threads),
        lambda: estimate_motion(image, threads=threads, device=device),
        options.repeats,
        device,
    )
    centre, reference = one.centre_mm, one.reference_frame
    deviation = displacement_at_radius_mm(rigid_matrices(one), rigid_matrices(two), centre, 80.0)
    rest = np.linalg.inv(rigid_matrix(truth[reference], np.zeros(3)))
    true = np.stack([rigid_matrix(row, np.zeros(3)) @ rest for row in truth])
    error = displacement_at_radius_mm(true, rigid_matrices(one), centre, 80.0)
    rng = np.random.default_rng(1)
    reach = 0.33 * np.array(shape) * spacing
    points = ParcelPoints(
        "made up", "T", rng.uniform(-reach, reach, (POINTS, 3)),
        rng.integers(0, PARCELS, POINTS), PARCELS,
    )  # fmt: skip
    place = SpatialMap("T", np.eye(4), None, None, "identity", 1.0, 1.0, 1.0, (1.0, 1.0))
    mask = Image3D(np.ones(shape, bool), image.affine, "scanner")

    def sampled(where: str) -> Any:
        return sample_parcels(image, one, place, points, mask, threads=threads, device=where)

    ours, theirs, slow_read, fast_read = interleaved(
        lambda: sampled("cpu"), lambda: sampled(device), options.repeats, device
    )
    size = float(np.abs(ours.series).max())
    apart = float(np.abs(ours.series - theirs.series).max()) / size
    again = sampled(device)
    record = {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "threads": threads,
        "shape": [*shape, options.frames],
        "motion": {
            "used": two.device,
            "largest_deviation_mm": float(deviation.max()),
            "tolerance_mm": MOTION_TOLERANCE_MM,
            "error_to_truth_median_mm": float(np.median(error)),
            "processor_s": slow,
            "card_s": fast,
            "ratio": slow / fast,
        },
        "sampling": {
            "used": theirs.device,
            "largest_relative_deviation": apart,
            "tolerance": SAMPLING_TOLERANCE,
            "same_bits_twice": bool(np.array_equal(again.series, theirs.series)),
            "processor_s": slow_read,
            "card_s": fast_read,
            "ratio": slow_read / fast_read,
        },
    }
    if device == "cuda":
        record["card_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    text = json.dumps(record, indent=1)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")
    good = (
        deviation.max() <= MOTION_TOLERANCE_MM
        and apart <= SAMPLING_TOLERANCE
        and two.device == theirs.device == device
        and bool(np.array_equal(again.series, theirs.series))
    )
    print("agree" if good else "DO NOT AGREE")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
