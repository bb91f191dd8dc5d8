"""A still head, and frames far off; motion of a whole participant is in `test_participant`."""

from __future__ import annotations

import pytest

from app.simulation.scanner import ScannerSettings
from tests.accuracy.motion import Record, silent_brain, still_with_jumps


@pytest.fixture(scope="module")
def still() -> Record:
    """The default grid with thermal noise alone; what brain and breath add is told by `run`."""
    with silent_brain():
        told = still_with_jumps(ScannerSettings(fine_mm=2.0, physiology=0.0), frames=16)
    print(told)
    return told


def test_that_a_still_head_does_not_seem_to_move(still: Record) -> None:
    assert still["still_mean_fd_mm"] <= 0.03
    assert still["falsely_flagged"] == 0


@pytest.mark.parametrize("jump", ["20 mm", "20 degrees"])
def test_that_a_frame_far_off_is_recovered_or_flagged_never_silently_wrong(
    still: Record, jump: str
) -> None:
    found = still["jumps"][jump]
    assert found["error_mm"] <= 0.5 or found["flagged"]
