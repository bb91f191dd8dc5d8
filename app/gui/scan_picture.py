"""The volumes of a decoded scan, as the worker laid them down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import frozen
from app.gui.opened_maps import ScanVolumes


def scan_volumes(result: Mapping[str, Any], scan_sha256: str) -> ScanVolumes | None:
    """The run's volumes, memory-mapped; None for another scan.

    `result` is the answer of a "preview" job.
    """
    facts = json.loads(Path(result["facts"]).read_text(encoding="utf-8"))
    if facts["scan_sha256"] != scan_sha256:
        return None
    stored = np.load(result["volumes"], mmap_mode="r", allow_pickle=False)
    affine = frozen(np.asarray(facts["affine"], dtype=np.float64))
    path = Path(result["volumes"])
    return ScanVolumes(scan_sha256, stored, affine, facts["slope"], facts["intercept"], path)
