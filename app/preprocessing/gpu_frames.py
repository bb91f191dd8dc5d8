"""Motion and sampling on a graphics card: the same sums as the CPU's, many frames at a time.

Out of memory halves the batch; where one frame is too much the caller goes on with the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from app.core.arrays import Bools, Floats, Ints
from app.core.images import Image4D
from app.core.progress import Progress
from app.preprocessing.frame_reading import (
    FrameValues,
    PointSets,
    add_moments,
    empty_values,
)
from app.preprocessing.framewise import JENKINSON_RADIUS_MM
from app.preprocessing.geometry import displacement_at_radius_mm, rigid_matrix
from app.preprocessing.gpu_spline import GroupSums, SplineReader, Tensor
from app.preprocessing.rigid_alignment import MOST_ITERATIONS, Fit, Reference, Smoother

BATCH = 16


class BatchAligner:
    """Aligns batches of a run's frames to references on one device.

    Parameters
    ----------
    reader
        Device and torch.
    smoother
        The run and the smoothing of every estimate.
    """

    def __init__(self, reader: SplineReader, smoother: Smoother) -> None:
        self.reader = reader
        self.smoother = smoother

    def coefficients(self, frames: Ints) -> Tensor:
        """Padded spline coefficients (frame, x + 3, y + 3, z + 3) of smoothed frames."""
        batch = self.reader.volumes(self.smoother.image.data[..., frames])
        smooth = self.reader.smooth(batch, self.smoother.kernels, self.smoother.radii)
        return self.reader.padded(smooth)

    def align(
        self, frames: Ints, reference: Reference, starts: list[Floats], tolerance_mm: float
    ) -> list[Fit]:
        """`rigid_alignment.align` of several frames side by side; the same iterations each."""
        reader, torch = self.reader, self.reader.torch
        coefficients = self.coefficients(frames)
        voxels, values = reader.tensor(reference.voxels), reader.tensor(reference.values)
        steepest = reader.tensor(reference.steepest)
        norm = float(reference.values @ reference.values)
        shape = self.smoother.shape
        matrices = [np.array(start) for start in starts]
        gains = np.ones(len(frames))
        best = [Fit(start, 1.0, np.inf, 0.0) for start in starts]
        final: list[Fit | None] = [None] * len(frames)
        active = np.arange(len(frames))
        for _ in range(MOST_ITERATIONS):
            maps = np.stack([reference.voxel_matrix(matrices[row]) for row in active])
            places = reader.positions(reader.tensor(maps), voxels)
            seen = reader.inside(places, shape, 0.0)
            chosen = torch.from_numpy(active).to(reader.device)
            found = reader.values(coefficients.index_select(0, chosen), places)
            residual = reader.tensor(gains[active])[:, None] * found - values
            residual = torch.where(seen, residual, torch.zeros_like(residual))
            energy = (residual * residual).sum(dim=1).cpu().numpy()
            count = seen.sum(dim=1).cpu().numpy()
            gradient = (residual @ steepest).cpu().numpy()
            still = []
            for place, row in enumerate(active):
                share = float(count[place]) / len(reference.values)
                cost = float(np.sqrt(energy[place] / max(norm * share, 1e-30)))
                fit = Fit(matrices[row], float(gains[row]), cost, share)
                best[row] = min(best[row], fit, key=lambda candidate: candidate.score)
                if count[place] < 50:
                    final[row] = best[row]
                    continue
                step = reference.solver @ gradient[place]
                increment = rigid_matrix(step[:6], reference.centre_mm)
                moved = displacement_at_radius_mm(
                    np.eye(4), increment, reference.centre_mm, JENKINSON_RADIUS_MM
                )
                matrices[row] = matrices[row] @ np.linalg.inv(increment)
                gains[row] = gains[row] / max(1.0 + float(step[6]), 0.2)
                if moved < tolerance_mm:
                    final[row] = Fit(matrices[row], float(gains[row]), cost, share)
                else:
                    still.append(row)
            active = np.array(still, np.int64)
            if active.size == 0:
                break
        return [done if done is not None else best[row] for row, done in enumerate(final)]

    def align_all(
        self,
        frames: Ints,
        reference: Reference,
        starts: list[Floats],
        tolerance_mm: float,
        told: Callable[[float], None],
    ) -> list[Fit]:
        """`align` in batches that fit, in the order of the frames."""
        fits: list[Fit] = []

        def work(begin: int, stop: int) -> None:
            fits.extend(self.align(frames[begin:stop], reference, starts[begin:stop], tolerance_mm))
            told(stop / len(frames))

        in_batches(self.reader.torch, len(frames), work)
        return fits

    def mean(self, frames: list[int], fits: list[Fit], reference: Reference) -> Floats:
        """Mean of the aligned smoothed frames on the reference grid, (x, y, z) float64."""
        reader, shape = self.reader, self.smoother.shape
        grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
        points = reader.tensor(grid.reshape(-1, 3))
        total = np.zeros(int(np.prod(shape)))

        def work(begin: int, stop: int) -> None:
            coefficients = self.coefficients(np.array(frames[begin:stop]))
            part = np.zeros_like(total)
            for row, frame in enumerate(frames[begin:stop]):
                matrix = reader.tensor(reference.voxel_matrix(fits[frame].matrix)[None])
                values = reader.values(
                    coefficients[row : row + 1], reader.positions(matrix, points)
                )
                part += fits[frame].gain * values[0].cpu().numpy()
            np.add(total, part, out=total)

        in_batches(reader.torch, len(frames), work)
        return total.reshape(shape) / len(frames)


def read_frames_on_device(
    torch: Any,
    device: str,
    image: Image4D,
    matrices: Floats,
    sets: PointSets,
    first_frame: int,
    counted: Bools,
    progress: Progress,
) -> FrameValues:
    """What `frame_reading.read_frames` does, on a device, with cubic B-splines."""
    reader = SplineReader(torch, device)
    found, times = empty_values(image, sets, first_frame, counted)
    parts = [sets.parcels.points_mm, sets.tissues.points_mm, sets.voxels_mm, sets.moments_mm]
    ends = np.cumsum([len(part) for part in parts])
    points = reader.tensor(np.concatenate([np.asarray(part, np.float64) for part in parts]))
    parcel_sums = GroupSums(reader, sets.parcels.group_of_point, sets.parcels.group_count)
    tissue_sums = GroupSums(reader, sets.tissues.group_of_point, sets.tissues.group_count)

    def work(begin: int, stop: int) -> None:
        frames = image.data[..., first_frame + begin : first_frame + stop]
        coefficients = reader.padded(reader.prefiltered(reader.volumes(frames)))
        maps = reader.tensor(matrices[first_frame + begin : first_frame + stop])
        places = reader.positions(maps, points)
        values = reader.values(coefficients, places)
        parcels = values[:, : ends[0]]
        if sets.in_view_only:
            seen = reader.inside(places[:, : ends[0]], image.data.shape, 1e-6).double()
            parcels = parcels * seen
            found.counts[begin:stop] = parcel_sums(seen)
        found.parcel_sums[begin:stop] = parcel_sums(parcels)
        found.tissue_sums[begin:stop] = tissue_sums(values[:, ends[0] : ends[1]])
        found.voxels[begin:stop] = values[:, ends[1] : ends[2]].float().cpu().numpy()
        rest = values[:, ends[2] :].cpu().numpy()
        for row in range(begin, stop):
            if counted[first_frame + row]:
                add_moments(found.moments, rest[row - begin], times[row])
        progress.step(stop / len(found.voxels), "Sampling parcels")

    in_batches(torch, len(found.voxels), work)
    return found


def in_batches(torch: Any, count: int, work: Callable[[int, int], None]) -> None:
    """Call `work(begin, stop)` over 0..count; a batch that does not fit is halved.

    Raises
    ------
    torch.OutOfMemoryError
        A single one does not fit. What was done of it leaves no trace in the results: `work`
        must write only after everything is computed.
    """
    size, begin = BATCH, 0
    while begin < count:
        stop = min(begin + size, count)
        try:
            work(begin, stop)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = max(size // 2, 1)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        begin = stop
