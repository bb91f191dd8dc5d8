"""What the JSON file beside a scan or a table states, read alike in every room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def stated_repetition_time_s(sidecar: Mapping[str, Any]) -> float | None:
    """``RepetitionTime``, or what ``SamplingFrequency`` (Hz) means; None without a number."""
    for name, turned in (("RepetitionTime", False), ("SamplingFrequency", True)):
        stored = sidecar.get(name)
        if isinstance(stored, int | float) and not isinstance(stored, bool) and stored > 0:
            return 1.0 / stored if turned else float(stored)
    return None
