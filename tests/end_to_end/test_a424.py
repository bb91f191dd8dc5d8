"""A424 through the sampling of the recipe: what lies left is measured left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.connectome import a424
from app.connectome.atlases import load_atlas
from app.core.folders import installed_atlas_folder
from app.core.images import Image3D, Image4D
from app.preprocessing.sampling import sample_parcels
from app.preprocessing.spatial_map import identity_map

FILES = Path(__file__).parents[3] / "shared" / "data" / "a424"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the A424 files are not here")


@pytest.mark.parametrize("stored", ["RAS", "LAS"])
def test_that_every_parcel_of_a424_is_measured_on_its_own_side(
    isolated_home: Path, stored: str
) -> None:
    folder = installed_atlas_folder("A424")
    folder.mkdir(parents=True)
    for file in a424.PUBLISHED.files:
        (folder / file.name).write_bytes((FILES / file.name).read_bytes())
    load_atlas.cache_clear()
    atlas = load_atlas("A424")
    load_atlas.cache_clear()
    # A run in the template's space whose value is its own x in mm, on a grid of 3.5 x 3 x 4 mm.
    shape = (54, 75, 47)
    affine = np.diag([3.5, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-93.0, -128.0, -74.0)
    if stored == "LAS":
        affine[0] = (-3.5, 0.0, 0.0, 92.5)
    x_mm = affine[0, 0] * np.arange(shape[0]) + affine[0, 3]
    frames = np.broadcast_to(x_mm[:, None, None, None], (*shape, 3)).astype(np.float32)
    space = atlas.template
    sampled = sample_parcels(
        Image4D(frames, affine, 2.0, space=space),
        None,
        identity_map(space),
        atlas.points,
        Image3D(np.ones(shape, bool), affine, space),
        first_frame=0,
    )
    assert sampled.series.shape == (3, 424)
    np.testing.assert_allclose(sampled.series[0], atlas.centroids_mm[:, 0], atol=1e-3)
    sides = np.array(atlas.hemispheres)
    assert (sampled.series[:, sides == "R"] > 0).all()
    assert (sampled.series[:, sides == "L"] < 0).all()
    assert np.all(sampled.coverage == 1.0)
