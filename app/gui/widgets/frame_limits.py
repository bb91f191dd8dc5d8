"""The limits above which a case's recipe flags frames, and how many lie over them, in words."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Floats
from app.core.results import Case
from app.preprocessing.presets import SPIKE_FD_MM, SPIKE_STD_DVARS


def flag_limits(case: Case) -> dict[str, float]:
    """Confound name -> the limit above which this case's recipe flags a frame."""
    told = case.provenance.parameters if case.provenance is not None else {}
    limits = {"framewise_displacement": SPIKE_FD_MM, "std_dvars": SPIKE_STD_DVARS}
    for key, name in (
        ("framewise_displacement", "flag_fd_power_mm"),
        ("std_dvars", "flag_std_dvars"),
    ):
        value = told.get(name)
        if isinstance(value, int | float):
            limits[key] = float(value)
    return limits


def limit_text(values: Floats, limit: float, units: str) -> str:
    """Such as "limit 0.5 mm: 6 of 200 over"; frames without a value are not over."""
    over = int((np.nan_to_num(np.asarray(values)) > limit).sum())
    return f"limit {limit:g}{' ' * bool(units)}{units}: {over} of {len(values)} over"
