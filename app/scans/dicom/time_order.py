"""Which slice belongs to which volume, and when it was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.core.results import Finding, Severity
from app.scans.dicom.reading import Instance
from app.scans.faults import Fault

if TYPE_CHECKING:
    from app.scans.dicom.grid import Cells

TIME_GAP = 1.5  # times the usual interval
DAY_S = 86_400.0
_WHOLE = "Export the whole series again; a run with missing volumes cannot be used."


def order_volumes(
    cells: Cells, slice_of: NDArray[np.int64], stated: Mapping[str, float]
) -> tuple[NDArray[np.int64], list[Fault], list[Finding]]:
    """(cell,) index of the volume each cell belongs to.

    The first of temporal position, acquisition number and instance number that tells the
    volumes of every slice apart decides; the clocks must not contradict it.
    """
    counts = np.bincount(slice_of)
    nothing = np.zeros(len(slice_of), np.int64)
    if counts.min() != counts.max():
        return nothing, [_uneven(counts)], []
    volumes = int(counts[0])
    for values, numbered in (
        (cells.temporal, True),
        (cells.acquisition, True),
        (cells.number, False),
    ):
        volume_of, fault = _by(values, slice_of, volumes, numbered)
        if fault is not None:
            return nothing, [fault], []
        if volume_of is not None:
            break
    else:
        fault = Fault("dicom.no_time_order", "The files do not say in which order the volumes were "
                      "taken.", "Export the series again as the scanner stored it.")  # fmt: skip
        return nothing, [fault], []
    faults = [*_clock_faults(cells, volume_of), *_count_faults(cells, volumes, stated)]
    return volume_of, faults, _planned(volumes, stated)


def _uneven(counts: NDArray[np.int64]) -> Fault:
    usual = int(np.bincount(counts).argmax())
    odd = np.flatnonzero(counts != usual)
    which = ", ".join(str(index + 1) for index in odd[:5])
    return Fault(
        "dicom.slices_missing",
        f"Not every volume is complete: slice {which} of {len(counts)} is there "
        f"{int(counts[odd[0]])} times, the others {usual} times.",
        _WHOLE,
    )


def _by(
    values: NDArray[np.float64], slice_of: NDArray[np.int64], volumes: int, numbered: bool
) -> tuple[NDArray[np.int64] | None, Fault | None]:
    """Volumes by one kind of number; None where it does not tell them apart."""
    if not np.isfinite(values).all():
        return None, None
    order = np.lexsort((values, slice_of))
    table = values[order].reshape(-1, volumes)
    if (np.diff(table, axis=1) <= 0).any():
        return None, None  # the same number twice in one slice
    if numbered:
        if not (table == table[0]).all():
            fault = Fault("dicom.volumes_differ", "Slices of different volumes are missing or "
                          "doubled.", _WHOLE)  # fmt: skip
            return None, fault
        holes = np.diff(table[0])
        if volumes > 1 and (holes > 1).any() and holes.min() == 1:
            place = int(np.flatnonzero(holes > 1)[0])
            missing = int(holes[place]) - 1
            fault = Fault(
                "dicom.volumes_missing",
                f"After volume {place + 1} of {volumes}, {missing} of the numbered volumes are "
                "missing.",
                _WHOLE,
            )
            return None, fault
    elif not _runs_in_blocks(table) and not _runs_in_blocks(table.T):
        return None, None
    volume_of = np.empty(len(values), np.int64)
    volume_of[order] = np.tile(np.arange(volumes), len(table))
    return volume_of, None


def _runs_in_blocks(table: NDArray[np.float64]) -> bool:
    """Whether the numbers of one row are over before those of another begin."""
    lowest, highest = table.min(axis=1), table.max(axis=1)
    order = np.argsort(lowest)
    return bool((lowest[order][1:] > highest[order][:-1]).all())


def _volume_clocks(cells: Cells, volume_of: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Seconds at which each volume began; None where the clocks say nothing."""
    if not np.isfinite(cells.clock_s).all() or np.ptp(cells.clock_s) == 0:
        return None
    clock = cells.clock_s
    if np.ptp(clock) > DAY_S / 2:  # over midnight
        clock = np.where(clock < DAY_S / 2, clock + DAY_S, clock)
    starts = np.full(int(volume_of.max()) + 1, np.inf)
    np.minimum.at(starts, volume_of, clock)
    return starts


def _clock_faults(cells: Cells, volume_of: NDArray[np.int64]) -> list[Fault]:
    starts = _volume_clocks(cells, volume_of)
    if starts is None or len(starts) < 3:
        return []
    steps = np.diff(starts)
    if (steps < 0).any():
        place = int(np.flatnonzero(steps < 0)[0])
        return [
            Fault(
                "dicom.time_order",
                f"Numbers and acquisition times contradict each other: volume {place + 2} was "
                f"taken before volume {place + 1}.",
                "Export the series again as the scanner stored it.",
            )
        ]
    usual = float(np.median(steps))
    wide = np.flatnonzero(steps > TIME_GAP * usual) if usual > 0 else np.zeros(0, int)
    if wide.size:
        place = int(wide[0])
        return [
            Fault(
                "dicom.time_gap",
                f"Between volumes {place + 1} and {place + 2} pass {steps[place]:.2f} s, otherwise "
                f"{usual:.2f} s: volumes are missing or the run was interrupted.",
                _WHOLE,
            )
        ]
    return []


def _count_faults(cells: Cells, volumes: int, stated: Mapping[str, float]) -> list[Fault]:
    faults = []
    wanted = int(stated.get("NumberOfTemporalPositions", 0))
    if wanted > 1 and wanted != volumes:
        faults.append(
            Fault(
                "dicom.volumes_missing",
                f"The header states {wanted} volumes; {volumes} are here.",
                _WHOLE,
            )
        )
    first = cells.number.min() // 1e6
    numbered = volumes > 1 and np.isfinite(cells.acquisition).all()
    if numbered and cells.acquisition.min() > 1 and first > 1:
        faults.append(
            Fault(
                "dicom.volumes_missing",
                f"The first volume here is number {int(cells.acquisition.min())} of the "
                "acquisition: those before it are missing.",
                _WHOLE,
            )
        )
    return faults


def _planned(volumes: int, stated: Mapping[str, float]) -> list[Finding]:
    planned = int(stated.get("PlannedVolumes", 0))
    if planned <= volumes:
        return []
    return [
        Finding(
            "dicom.fewer_than_planned",
            Severity.WARNING,
            f"The protocol planned {planned} volumes; {volumes} are here.",
            "The scan was stopped early, or files are missing: check with the scanner.",
        )
    ]


def volume_seconds(cells: Cells, volume_of: NDArray[np.int64]) -> float | None:
    """Usual time between volumes by their clocks, s; None when unknown."""
    starts = _volume_clocks(cells, volume_of)
    if starts is None or len(starts) < 3:
        return None
    steps = np.diff(starts)
    return float((starts[-1] - starts[0]) / len(steps)) if steps.min() > 0 else None


def slice_times(
    instances: Sequence[Instance],
    cells: Cells,
    slice_of: NDArray[np.int64],
    volume_of: NDArray[np.int64],
    repetition_time_s: float | None,
) -> tuple[float, ...]:
    """Seconds into the volume at which each slice was taken; () when unknown or impossible."""
    count = int(slice_of.max()) + 1
    times = np.full(count, np.nan)
    first = volume_of == 0
    mosaic = instances[int(cells.source[first][0, 0])].mosaic
    if mosaic is not None:
        if mosaic.times_s:
            times[slice_of[first]] = np.array(mosaic.times_s)[cells.source[first][:, 1]]
    else:
        times[slice_of[first]] = cells.clock_s[first]
        times -= times.min()
    usable = np.isfinite(times).all() and np.ptp(times) > 0 and times.min() >= 0
    if not usable or repetition_time_s is None or times.max() >= repetition_time_s:
        return ()
    return tuple(round(float(value), 6) for value in times)
