"""The included scans of a cohort as a folder of their own: second names, no second copy."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from app.cohort.rows import CohortRow
from app.cohort.visit_run import PREPARED
from app.core.errors import StorageError
from app.study.files import link_or_copy, storage_errors, temporary_sibling


def select_prepared(out_dir: Path, rows: Sequence[CohortRow], target: Path) -> Path:
    """Give the prepared files of some rows second names in ``target``, which is made anew.

    Raises
    ------
    StorageError
        ``cohort.empty`` without rows; ``cohort.unfinished`` when a prepared file is missing.
    """
    if not rows:
        raise StorageError(
            "No analysed row is included.", "Analyse the scans first, or include some rows.",
            code="cohort.empty",
        )  # fmt: skip
    with storage_errors():
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_sibling(target) as folder:
            for row in rows:
                source = out_dir / PREPARED / f"{row.key}.npz"
                if not source.is_file():
                    raise StorageError(
                        f"The prepared file of {row.key} is missing.", "Run the cohort again.",
                        code="cohort.unfinished",
                    )  # fmt: skip
                link_or_copy(source, folder / source.name)
            if target.exists():
                shutil.rmtree(target)
            folder.rename(target)
    return target
