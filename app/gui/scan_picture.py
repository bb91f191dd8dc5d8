"""One volume of a decoded scan, as the worker laid it down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import Floats


def middle_volume(result: Mapping[str, Any], scan_sha256: str) -> Floats | None:
    """(x, y, z) the run's middle volume, RAS+, in the scan's own units; None for another scan.

    `result` is the answer of a "preview" job.
    """
    facts = json.loads(Path(result["facts"]).read_text(encoding="utf-8"))
    if facts["scan_sha256"] != scan_sha256:
        return None
    volumes = np.load(result["volumes"], mmap_mode="r", allow_pickle=False)
    stored = np.asarray(volumes[..., volumes.shape[3] // 2], dtype=np.float32)
    picture: Floats = stored * np.float32(facts["slope"]) + np.float32(facts["intercept"])
    return picture
