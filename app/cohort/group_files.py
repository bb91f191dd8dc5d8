"""The group level's files: table, matrices with their n, quality of the cohort."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cohort.group import (
    GroupMatrix,
    GroupResult,
    chosen_rows,
    group_result,
    quality_overview,
)
from app.cohort.results_table import write_results, written_units
from app.cohort.rows import CohortRow, read_rows
from app.core.errors import StorageError
from app.core.wording import RUO_LINE, counted
from app.study.files import replace_file, storage_errors
from app.study.tables import table

GROUP = "group"


def assemble(
    out_dir: Path,
    bids_dir: Path,
    *,
    group_by: str = "",
    where: Mapping[str, str] | None = None,
    planned: Sequence[CohortRow] = (),
) -> tuple[tuple[CohortRow, ...], GroupResult | None, tuple[str, ...]]:
    """Write table, quality and matrices of what lies in the results folder.

    `planned` are all visits of the data set: those without a row are in the table as waiting.

    Returns
    -------
    tuple
        All rows, the matrices (None where nothing can be pooled), and what to tell.

    Raises
    ------
    StorageError
        ``cohort.empty``: nothing was run yet. Rows that may not be pooled are told, not raised:
        the table is written all the same.
    """
    rows, faults = read_rows(out_dir)
    if not rows:
        raise StorageError(
            "There are no results in this folder.",
            "Run the participant level first.",
            code="cohort.empty",
        )
    there = {row.key for row in rows}
    absent = [row for row in planned if row.key not in there]
    rows_of_all = tuple(sorted((*rows, *absent), key=lambda row: row.key))
    write_results(out_dir, rows_of_all, written_units(out_dir), source=bids_dir)
    folder = out_dir / GROUP
    with storage_errors():
        folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / "quality.tsv", _lines(quality_overview(rows)))
    told = list(faults)
    if absent:
        told.append(
            f"{counted(len(absent), 'visit')} of the data set without a result yet: run the "
            "participant level on them."
        )
    try:
        found = group_result(out_dir, chosen_rows(rows, where or {}), group_by=group_by)
    except StorageError as error:
        if error.code not in ("cohort.mixed", "cohort.empty", "cohort.not_two_groups"):
            raise
        return rows_of_all, None, (*told, str(error))
    write_matrices(folder, found, parcel_names(out_dir, rows), group_by)
    return rows_of_all, found, (*told, *found.left_out)


def write_matrices(
    folder: Path, found: GroupResult, names: tuple[str, ...], group_by: str = ""
) -> None:
    """Mean matrices, their n, and the difference, as tables with the parcels' names."""
    with storage_errors():
        folder.mkdir(parents=True, exist_ok=True)
    for matrix in (found.whole, *found.groups):
        stem = "all" if matrix is found.whole else f"{group_by}-{_word(matrix.name)}"
        _matrix(folder / f"{stem}_stat-mean_relmat.tsv", names, matrix.mean)
        _matrix(folder / f"{stem}_stat-count_relmat.tsv", names, np.asarray(matrix.count))
        facts = _facts(matrix, found.left_out)
        replace_file(folder / f"{stem}_stat-mean_relmat.json", _json(facts))
    if found.difference is not None:
        first, second = found.groups
        stem = f"{group_by}-{_word(first.name)}-minus-{_word(second.name)}"
        _matrix(folder / f"{stem}_stat-difference_relmat.tsv", names, found.difference)
        facts = {
            "Description": "Difference of the two groups' mean correlations, first minus second; "
            "descriptive, no test",
            "Groups": {m.name: {"Scans": m.scans, "Participants": m.participants}
                       for m in found.groups},
            "Note": RUO_LINE,
        }  # fmt: skip
        replace_file(folder / f"{stem}_stat-difference_relmat.json", _json(facts))


def matrices_file(out_dir: Path, rows: Sequence[CohortRow], found: GroupResult) -> Path:
    """All matrices as arrays with the parcels' names and networks, for drawing.

    ``mean`` and ``count`` (group, parcel, parcel), the whole first; ``difference`` where there
    are two groups; ``names``, ``networks`` and ``hemispheres`` (parcel,).
    """
    from app.connectome.atlases import load_atlas

    atlas = load_atlas(next(row.atlas for row in rows if row.atlas))
    parts = (found.whole, *found.groups)
    arrays: dict[str, NDArray[Any]] = {
        "mean": np.stack([np.asarray(part.mean, np.float32) for part in parts]),
        "count": np.stack([np.asarray(part.count, np.int32) for part in parts]),
        "names": np.array(atlas.parcel_names),
        "networks": np.array(atlas.networks),
        "hemispheres": np.array(atlas.hemispheres),
    }
    if found.difference is not None:
        arrays["difference"] = np.asarray(found.difference, np.float32)
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    path = out_dir / GROUP / "matrices.npz"
    replace_file(path, packed.getvalue())
    return path


def parcel_names(out_dir: Path, rows: Sequence[CohortRow]) -> tuple[str, ...]:
    """Names of the parcels in the atlas's own order."""
    from app.connectome.atlases import load_atlas

    atlas = next(row.atlas for row in rows if row.atlas)
    return load_atlas(atlas).parcel_names


def _facts(matrix: GroupMatrix, left_out: tuple[str, ...]) -> dict[str, Any]:
    return {
        "Description": "Mean of Fisher's z over scans, given back as correlation",
        "Scans": matrix.scans,
        "Participants": matrix.participants,
        "LeftOut": list(left_out),
        "Note": RUO_LINE,
    }


def _matrix(path: Path, names: tuple[str, ...], values: NDArray[Any]) -> None:
    replace_file(path, table(names, values))


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    return ("\n".join("\t".join(row) for row in rows) + "\n").encode()


def _word(text: str) -> str:
    return "".join(c for c in text if c.isalnum())[:32] or "other"


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
