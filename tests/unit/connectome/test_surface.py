"""fsaverage5 in the template: vertices carry the parcel they lie in, on their own side."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from app.connectome.atlases import load_atlas
from app.connectome.surface import MNI305_TO_MNI152, load_fsaverage5, to_template


@pytest.fixture(scope="module")
def surface():
    """Meshes and labels for HCPEx."""
    return load_fsaverage5(load_atlas())


def test_that_the_affine_gives_freesurfers_own_example():
    # The wiki's example: (10, -20, 35) in MNI305 is (10.695, -18.409, 36.137) in MNI152.
    np.testing.assert_allclose(
        to_template(np.array([[10.0, -20, 35]]))[0], [10.695, -18.409, 36.137], atol=0.005
    )
    assert not MNI305_TO_MNI152.flags.writeable


@pytest.mark.parametrize("side", ["left", "right"])
def test_that_the_arrays_are_as_the_views_expect(surface, side):
    for kind in ("pial", "white", "inflated"):
        assert surface[f"{kind}_{side}"].shape == (10242, 3)
        assert surface[f"{kind}_{side}"].dtype == np.float32
    assert surface[f"faces_{side}"].shape == (20480, 3)
    assert surface[f"faces_{side}"].dtype == np.int32
    assert surface[f"labels_{side}"].dtype == np.int16
    assert surface[f"sulc_{side}"].dtype == np.float32


@pytest.mark.parametrize(("side", "first", "sign"), [("left", 1, -1), ("right", 181, 1)])
def test_that_every_cortical_parcel_shows_on_its_own_side_only(surface, side, first, sign):
    labels = surface[f"labels_{side}"]
    assert set(np.unique(labels)) == {0, *range(first, first + 180)}
    assert (labels == 0).mean() < 0.08  # the medial wall
    assert (sign * surface[f"pial_{side}"][:, 0] > -2).all()
    assert (sign * surface[f"inflated_{side}"][:, 0] > 0).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_that_vertices_lie_at_the_voxels_of_their_parcel(surface, side):
    atlas = load_atlas()
    labels = surface[f"labels_{side}"]
    middle = (surface[f"pial_{side}"] + surface[f"white_{side}"]) / 2
    world = np.argwhere(np.asarray(atlas.labels_fine.data) > 0) + atlas.labels_fine.affine[:3, 3]
    parcel = atlas.labels_fine.data[atlas.labels_fine.data > 0]
    for label in np.unique(labels[labels > 0])[::20]:
        distance, _ = cKDTree(world[parcel == label]).query(middle[labels == label])
        assert distance.max() < 5.0
        assert np.median(distance) < 1.2


def test_that_calcarine_precentral_and_insular_vertices_are_named_rightly(surface):
    atlas = load_atlas()
    places = {
        (-10, -84, 2): "Primary_Visual_Cortex_L",
        (10, -84, 4): "Primary_Visual_Cortex_R",
        (-37, -21, 56): "Primary_Motor_Cortex_L",
        (37, -21, 56): "Primary_Motor_Cortex_R",
    }
    for place, name in places.items():
        side = "left" if place[0] < 0 else "right"
        middle = (surface[f"pial_{side}"] + surface[f"white_{side}"]) / 2
        near = np.linalg.norm(middle - place, axis=1).argsort()[:25]
        names = {
            atlas.parcel_names[label - 1] for label in surface[f"labels_{side}"][near] if label
        }
        assert name in names
