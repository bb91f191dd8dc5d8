"""Masks and the noise map on the template's grid, for the registration view."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.analysis.outputs import _registration_pictures
from app.analysis.sidecars import derivative_files
from app.core.images import Image3D
from app.core.results import Outcome
from app.preprocessing.spatial_map import identity_map
from tests.sample_case import sample_case

FINE = np.diag([2.0, 2.0, 2.0, 1.0])
COARSE = np.diag([4.0, 4.0, 4.0, 1.0])


def measured(*, raw: bool) -> Any:
    """A scan of 4 mm voxels that lies in the template as it is; its brain is one block."""
    brain = np.zeros((6, 7, 5), dtype=bool)
    brain[1:4, 2:6, 1:3] = True
    snr = np.where(brain, 50.0, 0.0).astype(np.float32)
    snr[2] *= 2.0  # one slice is twice as good
    template = np.zeros((12, 14, 10), dtype=bool)
    template[2:9, 3:11, 2:7] = True
    return SimpleNamespace(
        mask=Image3D(brain, COARSE, "scanner"),
        spatial_map=identity_map("T"),
        template=SimpleNamespace(
            t1_2mm=Image3D(template.astype(np.float32), FINE, "T"),
            brain_mask_2mm=Image3D(template, FINE, "T"),
        ),
        made=SimpleNamespace(temporal_snr=Image3D(snr, COARSE, "scanner")) if raw else None,
    )


def test_that_the_map_lies_where_the_scan_had_it_and_nowhere_else() -> None:
    files = _registration_pictures(measured(raw=True))
    mask, snr = files["view/mask.npy"], files["view/tsnr.npy"]
    assert mask.shape == snr.shape == (12, 14, 10)
    assert mask[4, 8, 4]  # 8, 16, 8 mm: voxel 2, 4, 2 of the scan
    assert not mask[0, 8, 4]
    assert snr[4, 8, 4] == 100.0  # on a voxel of the better slice
    assert snr[6, 8, 4] == 50.0
    assert snr[5, 8, 4] == 75.0  # half-way between the two
    assert (snr[~mask] == 0.0).all()
    assert files["view/template_mask.npy"].sum() == 7 * 8 * 5


def test_that_a_run_preprocessed_elsewhere_has_masks_but_no_map() -> None:
    files = _registration_pictures(measured(raw=False))
    assert sorted(files) == ["view/mask.npy", "view/template_mask.npy"]


def test_that_sidecars_say_whose_sides_the_names_of_parcels_are() -> None:
    case = sample_case(Outcome.RESULT)
    made: Any = SimpleNamespace(spatial_map=None, made=None)
    assert not any("ParcelSides" in file for file in derivative_files(case, made).values())
    lost = replace(case, scan=replace(case.scan, sform_code=0, qform_code=0))
    told = {name for name, file in derivative_files(lost, made).items() if "ParcelSides" in file}
    assert len(told) == 3
    assert all("_atlas-HCPEx_stat-" in name for name in told)
