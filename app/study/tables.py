"""The tables of a case folder, as tab-separated text that outside tools read.

Numbers are written with the fewest digits that give back the same value, so a table holds
exactly what `arrays.npz` holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.results import MOTION_COLUMNS, Attribution, Case, CleanSignals, Connectome, Motion
from app.core.sides import without_unknown_sides

FIRST_COLUMNS = (*MOTION_COLUMNS, "framewise_displacement", "std_dvars")


def case_tables(case: Case) -> dict[str, bytes]:
    """All tables that this case has results for: file name -> UTF-8 text with a header line.

    Where left and right of the scan are unknown, the table of parcels names no side. Tables with
    a column a parcel keep the atlas's names, by which tools find a parcel; their sidecars say that
    the names' sides are the atlas's only.
    """
    stem = case.stem()
    signals = case.signals
    tables: dict[str, bytes] = {}
    if signals is None:
        return tables
    atlas = f"{stem}_atlas-{signals.atlas}"
    tables[f"{stem}_desc-confounds_timeseries.tsv"] = confounds_table(signals, case.motion)
    tables[f"{atlas}_{series_name(signals)}.tsv"] = table(
        signals.parcel_names, np.asarray(signals.cleaned)
    )
    tables[f"{atlas}_stat-coverage_bold.tsv"] = table(
        signals.parcel_names, np.asarray(signals.coverage)[None, :]
    )
    if case.connectome is not None:
        tables[f"{atlas}_stat-{measure_name(case.connectome)}_relmat.tsv"] = table(
            signals.parcel_names, np.asarray(case.connectome.matrix)
        )
    if case.attribution is not None:
        found = case.attribution
        shown = without_unknown_sides(case).signals or signals
        tables[f"{atlas}_desc-attribution_parcels.tsv"] = attribution_table(shown, found)
        for view, branch in (("", found.branches), ("scan", found.scan)):
            tables[f"{atlas}_desc-attribution{view}_connections.tsv"] = table(
                signals.parcel_names, np.asarray(branch.per_connection)
            )
    return tables


def series_name(signals: CleanSignals) -> str:
    """Last entities and suffix of the cleaned parcel series."""
    family = "cleaned" if signals.units == "percent" else "asTrained"
    return f"stat-mean_desc-{family}_timeseries"


def measure_name(connectome: Connectome | None) -> str:
    """The ``stat-`` of a connectivity matrix; plain correlation where there is none yet."""
    if connectome is None or connectome.kind == "pearson":
        return "pearsoncorrelation"
    return connectome.kind


def confounds_table(signals: CleanSignals, motion: Motion | None) -> bytes:
    """Confounds with fMRIPrep's column names, motion first; one row a frame of the signals."""
    columns = {name: np.asarray(values) for name, values in signals.confounds.items()}
    if motion is not None:
        rows = slice(signals.first_frame, signals.first_frame + len(signals.cleaned))
        parameters = np.asarray(motion.parameters)[rows]
        for index, name in enumerate(MOTION_COLUMNS):
            columns.setdefault(name, parameters[:, index])
        columns.setdefault(
            "framewise_displacement", np.asarray(motion.framewise_displacement_mm)[rows]
        )
    names = [name for name in FIRST_COLUMNS if name in columns]
    names += [name for name in columns if name not in names]
    return table(tuple(names), *(columns[name] for name in names))


def attribution_table(signals: CleanSignals, found: Attribution) -> bytes:
    """One row a parcel: signed log-odds of both views, from the series and in all."""
    names = ("name", "network", "hemisphere", "branches", "branches_series", "scan")
    columns: list[NDArray[Any] | tuple[str, ...]] = [
        signals.parcel_names,
        signals.networks,
        signals.hemispheres,
        found.branches.per_parcel,
        np.asarray(found.branches.per_parcel_series),
        found.scan.per_parcel,
        np.asarray(found.scan.per_parcel_series),
        np.asarray(found.disagreeing).astype(int),
    ]
    return table((*names, "scan_series", "disagreeing"), *columns)


def table(header: tuple[str, ...], *columns: NDArray[Any] | tuple[str, ...]) -> bytes:
    """Tab-separated text of columns, or of one matrix (row, column); NaN is ``n/a``."""
    if len(columns) == 1 and isinstance(columns[0], np.ndarray) and columns[0].ndim == 2:
        matrix = columns[0]
        columns = tuple(matrix[:, index] for index in range(matrix.shape[1]))
    if len(columns) != len(header):
        raise ValueError(f"{len(header)} names for {len(columns)} columns")
    texts = [_texts(column) for column in columns]
    lines = ["\t".join(_field(name) for name in header)]
    lines += ["\t".join(row) for row in zip(*texts, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def _texts(column: NDArray[Any] | tuple[str, ...]) -> list[str]:
    if isinstance(column, tuple):
        return [_field(item) for item in column]
    if column.dtype.kind == "f":
        return ["n/a" if item == "nan" else item for item in column.astype(str).tolist()]
    return [str(item) for item in column.tolist()]


def _field(text: str) -> str:
    return " ".join(str(text).split()) or "n/a"
