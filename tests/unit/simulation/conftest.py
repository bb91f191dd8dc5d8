"""Small scans with nothing but what a test wants to see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.simulation.anatomy import AnatomySettings
from app.simulation.cohort import CohortSettings
from app.simulation.scan import SimulatedVolumes, simulate_volumes
from app.simulation.scanner import ParticipantSettings, ScannerSettings

TINY = ScannerSettings(
    shape=(30, 35, 25), voxel_mm=(6.2, 6.3, 6.4), fine_mm=3.0, t1w_mm=5.0, storage="LAS"
)
QUIET = replace(
    TINY,
    thermal_tsnr=1e6,
    distortion_mm=0.0,
    dropout=0.0,
    bias=False,
    physiology=0.0,
    drift=0.0,
    motion=0.0,
    ghost=0.0,
    discarded_frames=8,
    signal_level=10000.0,
)


@pytest.fixture(scope="session")
def quiet_settings() -> ParticipantSettings:
    """BOLD only: no noise, motion, distortion, bias or physiology; a capsule at the left."""
    return ParticipantSettings(
        cohort=CohortSettings(seed=4, frames=40),
        index=2,
        scanner=QUIET,
        anatomy=AnatomySettings(marker=True),
    )


@pytest.fixture(scope="session")
def quiet_scan(quiet_settings: ParticipantSettings) -> SimulatedVolumes:
    """The scan of `quiet_settings`."""
    return simulate_volumes(quiet_settings)


@pytest.fixture(scope="session")
def plain_settings() -> ParticipantSettings:
    """Everything switched on, few voxels, twelve frames."""
    return ParticipantSettings(cohort=CohortSettings(seed=4, frames=12), index=1, scanner=TINY)


@pytest.fixture(scope="session")
def plain_scan(plain_settings: ParticipantSettings) -> SimulatedVolumes:
    """The scan of `plain_settings`."""
    return simulate_volumes(plain_settings)
