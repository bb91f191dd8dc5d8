"""fMRIPrep's confound table as the chain's own confounds: named columns, a row a volume."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.number_tables import NumberTable, read_numbers
from app.core.results import MOTION_COLUMNS
from app.scans.faults import Fault, raise_all

ALWAYS = (*MOTION_COLUMNS, "framewise_displacement", "std_dvars")
OPTIONAL = ("rmsd", "dvars", "csf", "white_matter", "global_signal")
_NON_STEADY = re.compile(r"non_steady_state_outlier\d{2,}")
_COSINE = re.compile(r"cosine\d{2,}")
_FIRST_ROW_ONLY = re.compile(r"framewise_displacement|rmsd|(std_)?dvars|.*_derivative1(_power2)?")
_SAME_RUN = "Choose the table of this run, or run fMRIPrep again."


def read_confounds(
    path: Path, volumes: int, regressors: Sequence[str]
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Read the columns that are needed and those that are worth showing.

    Parameters
    ----------
    path
        ``…_desc-confounds_timeseries.tsv``.
    volumes
        Of the run; the table must have as many rows.
    regressors
        Columns that the cleaning preset needs.

    Returns
    -------
    tuple
        Column name -> (volume,); and the first volume after the leading ones that fMRIPrep
        marked as not yet in steady state. Differences are NaN in the first row.

    Raises
    ------
    ScanError
        ``derivative.confounds_rows``, ``derivative.confounds_columns``,
        ``derivative.confounds_holes``, ``derivative.rotation_unit``, or what `read_numbers` raises.
    """
    header = _header(path)
    extra = [name for name in header if _NON_STEADY.fullmatch(name) or _COSINE.fullmatch(name)]
    needed = list(dict.fromkeys([*ALWAYS, *regressors]))
    table = read_numbers(path, wanted=[*needed, *OPTIONAL, *extra], what="confound table")
    rows = len(table.values)
    faults = []
    if rows != volumes:
        faults.append(
            Fault(
                "derivative.confounds_rows",
                f"The confound table has {rows} rows; the run has {volumes} volumes.",
                _SAME_RUN,
            )
        )
    missing = [name for name in needed if name not in table.header]
    if missing:
        faults.append(
            Fault(
                "derivative.confounds_columns",
                f"The confound table lacks {len(missing)} columns that are needed "
                f"({', '.join(missing[:4])}).",
                "Use the table of fMRIPrep 20.2 or later.",
            )
        )
    raise_all(faults)
    first = _first_steady(table)
    columns = {name: table.column(name) for name in table.header if not _NON_STEADY.fullmatch(name)}
    raise_all([*_holes(columns), *_units(columns)])
    return columns, first


def _header(path: Path) -> list[str]:
    """Names of the first line; damage is told by `read_numbers`."""
    try:
        with path.open("rb") as handle:
            line = handle.readline(1 << 20)
    except OSError:
        return []
    return [cell.strip() for cell in line.decode("utf-8-sig", "replace").split("\t")]


def _first_steady(table: NumberTable) -> int:
    """Volumes from 0 that are marked, without a gap."""
    marked = np.zeros(len(table.values), bool)
    for name in table.header:
        if _NON_STEADY.fullmatch(name):
            marked |= table.column(name) == 1
    good = np.flatnonzero(~marked)
    return int(good[0]) if good.size else len(marked)


def _holes(columns: dict[str, NDArray[np.float64]]) -> list[Fault]:
    """Differences have no value in the first row; any other hole is damage."""
    holed = []
    for name, values in columns.items():
        lost = np.isnan(values)
        lost[0] = lost[0] and _FIRST_ROW_ONLY.fullmatch(name) is None
        if lost.any():
            holed.append(name)
    if not holed:
        return []
    return [
        Fault(
            "derivative.confounds_holes",
            f"{len(holed)} columns of the confound table have gaps ({', '.join(holed[:3])}).",
            _SAME_RUN,
        )
    ]


def _units(columns: dict[str, NDArray[np.float64]]) -> list[Fault]:
    """fMRIPrep gives radians; a head does not turn by more than a right angle."""
    turned = max(float(np.abs(columns[name]).max()) for name in MOTION_COLUMNS[3:])
    if turned <= np.pi / 2:
        return []
    return [
        Fault(
            "derivative.rotation_unit",
            f"The rotations of the confound table reach {turned:.1f}; radians are expected.",
            "The table is not fMRIPrep's, or holds degrees.",
        )
    ]
