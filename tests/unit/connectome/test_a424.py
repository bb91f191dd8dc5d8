"""A424: left is left however it is stored, and every table is what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from app.connectome import a424, atlases
from app.connectome.atlases import load_atlas
from app.connectome.surface import vertex_labels
from app.connectome.templates import deep_grey, load_template
from app.core.errors import AppError
from app.core.folders import installed_atlas_folder

FILES = Path(__file__).parents[4] / "shared" / "data" / "a424"
needs_files = pytest.mark.skipif(not FILES.is_dir(), reason="the A424 files are not here")


@pytest.fixture
def forget_atlases() -> Any:
    load_atlas.cache_clear()
    load_template.cache_clear()
    yield
    load_atlas.cache_clear()
    load_template.cache_clear()


@pytest.fixture
def installed(isolated_home: Path, forget_atlases: None) -> Path:
    folder = installed_atlas_folder("A424")
    folder.mkdir(parents=True)
    for file in a424.PUBLISHED.files:
        (folder / file.name).write_bytes((FILES / file.name).read_bytes())
    return folder


def volume(mirrored: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A made-up label volume on the known grid: label k in its own place, right ones at x > 0."""
    labels = np.zeros(a424.SHAPE, np.float32)
    for label in range(1, 425):
        right = label <= 180 or label > 360
        # Stored LAS: small indices are right. Unequal depths, so that turned axes are noticed.
        x = (10 if right else 60) + label % 7
        labels[x, 5 + label // 10, 20 + label % 10] = label
    return (labels[::-1] if mirrored else labels), np.array(a424.STORED_AFFINE)


def written(folder: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    path = folder / "volume.nii.gz"
    nibabel.Nifti1Image(labels, affine).to_filename(path)
    return path


def names_table() -> bytes:
    rows = ["ID\tLabel\tR\tG\tB\tA", *(f"{i}\tR_x{i}\t1\t2\t3\t0" for i in range(1, 425))]
    return "\n".join(rows).encode()


def coordinates_table() -> bytes:
    return "\r\n".join(f"{i}\t{i % 60}\t{i % 50}\t-4" for i in range(1, 425)).encode()


def test_that_a_las_volume_is_turned_and_its_sides_stay(tmp_path: Path) -> None:
    labels, affine = volume()
    found = a424.derive(written(tmp_path, labels, affine))
    np.testing.assert_array_equal(np.diag(found["affine"]), (2, 2, 2, 1))
    np.testing.assert_array_equal(found["affine"][:3, 3], (-90, -126, -72))
    np.testing.assert_array_equal(found["labels_fine"], labels[::-1].astype(np.int16))
    # Where each label lies in mm does not depend on how it is stored.
    for label in (1, 37, 181, 360, 424):
        (voxel,) = np.argwhere(labels == label)
        mm = (affine @ [*voxel, 1])[:3]
        np.testing.assert_array_equal(found["centroids_mm"][label - 1], mm)
        row = np.flatnonzero(found["parcel_of_point"] == label - 1)
        np.testing.assert_array_equal(found["points_mm"][row], [mm])
    assert found["centroids_mm"][0, 0] > 0 > found["centroids_mm"][180, 0]


def test_that_mirrored_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        a424.derive(written(tmp_path, *volume(mirrored=True)))
    assert caught.value.code == "connectome.left_right"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d, a: (d, a @ np.diag([-1, 1, 1, 1.0])), id="RAS in the header"),
        pytest.param(lambda d, a: (d, a + _moved(1)), id="moved"),
        pytest.param(lambda d, a: (d[:-1], a), id="another grid"),
        pytest.param(lambda d, a: (d + 0.25 * (d == 7), a), id="fractions"),
        pytest.param(lambda d, a: (np.where(d == 120, 0, d), a), id="a label is missing"),
        pytest.param(lambda d, a: (np.where(d == 120, 425, d), a), id="a label too high"),
        pytest.param(lambda d, a: (np.where(d == 120, np.nan, d), a), id="not a number"),
        pytest.param(lambda d, a: (np.stack([d, d], -1), a), id="two volumes"),
    ],
)
def test_that_another_volume_is_refused(tmp_path: Path, change: Any) -> None:
    labels, affine = change(*volume())
    with pytest.raises(AppError) as caught:
        a424.derive(written(tmp_path, labels.astype(np.float32), affine))
    assert caught.value.code == "connectome.file_changed"


def _moved(mm: float) -> np.ndarray:
    shift = np.zeros((4, 4))
    shift[0, 3] = mm
    return shift


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x1f\x8b" + bytes(40)])
def test_that_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "volume.nii.gz"
    path.write_bytes(content)
    with pytest.raises(AppError) as caught:
        a424.derive(path)
    assert caught.value.code == "connectome.file_changed"


@pytest.mark.parametrize(
    ("read", "table", "old", "new"),
    [
        (a424.read_names, names_table, b"7\tR_x7\t", b"8\tR_x7\t"),
        (a424.read_names, names_table, b"ID\t", b"No\t"),
        (a424.read_names, names_table, b"R_x9\t", b"R_x8\t"),
        (a424.read_names, names_table, b"R_x9\t", b"R_\xe4\t"),
        (a424.read_names, names_table, b"R_x9\t1\t", b"R_x9\t"),
        (a424.read_names, names_table, b"\n424\t", b"\n#424\t"),
        (a424.read_coordinates, coordinates_table, b"\r\n7\t", b"\r\n8\t"),
        (a424.read_coordinates, coordinates_table, b"\r\n7\t7\t", b"\r\n7\tleft\t"),
        (a424.read_coordinates, coordinates_table, b"\r\n7\t7\t", b"\r\n7\tnan\t"),
        (a424.read_coordinates, coordinates_table, b"\r\n7\t7\t", b"\r\n7\t700\t"),
        (a424.read_coordinates, coordinates_table, b"\r\n7\t7\t", b"\r\n"),
        (a424.read_coordinates, coordinates_table, b"\r\n424\t4\t24\t-4", b""),
        (a424.read_coordinates, coordinates_table, b"\t", b","),
    ],
)
def test_that_a_table_with_a_wrong_row_is_refused(
    tmp_path: Path, read: Any, table: Any, old: bytes, new: bytes
) -> None:
    path = tmp_path / "table.dat"
    path.write_bytes(table())
    assert len(read(path)) == 424
    assert table().count(old) >= 1
    path.write_bytes(table().replace(old, new, 1 if old != b"\t" else -1))
    with pytest.raises(AppError) as caught:
        read(path)
    assert caught.value.code == "connectome.names_differ"


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n", b"\n\n"])
def test_that_any_end_of_line_reads_the_same(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "table.dat"
    path.write_bytes(coordinates_table() + end)
    first = a424.read_coordinates(path)
    path.write_bytes(coordinates_table().replace(b"\r\n", b"\n") + end)
    np.testing.assert_array_equal(a424.read_coordinates(path), first)
    np.testing.assert_array_equal(first[6], (7, 7, -4))


def test_that_ties_along_y_keep_the_order_of_the_labels() -> None:
    points = np.array([[0, 4, 0], [0, -2, 0], [0, 4, 0], [0, -2, 0], [0, 1, 0]], float)
    assert a424.stable_y_order(points).tolist() == [1, 3, 4, 0, 2]
    with pytest.raises(AppError):
        a424.check_y_order(a424.stable_y_order(points))


def test_that_sides_and_networks_come_from_the_names() -> None:
    names = ("R_V1", "L_V1", "mAmyg_L", "GP_R", "cTtha_R", "Left_I-IV", "Vermis_X", "Right_X")
    assert "".join(a424.sides_of(names)) == "RLLRRLMR"
    cortex = {"R_V1": "Visual", "L_V1": "Visual"}
    assert a424.networks_of(names, cortex) == (
        "Visual", "Visual", "Deep Nuclei", "Basal Ganglia", "Thalamus",
        "Cerebellum", "Cerebellum", "Cerebellum")  # fmt: skip
    for odd in ("V1", "R_unknown"):
        with pytest.raises(AppError):
            a424.networks_of((odd,), cortex)
    with pytest.raises(AppError):
        a424.sides_of(("V1",))


def test_that_a_point_on_the_wrong_side_or_far_away_is_refused() -> None:
    centres = np.array([[12.0, 0, 0], [-12, 0, 0], [0, 0, 0]])
    a424.check_places(centres, centres + 3, ("R", "L", "M"))
    for moved in ([[-12.0, 0, 0], [-12, 0, 0], [0, 0, 0]], [[12.0, 25, 0], [-12, 0, 0], [0, 0, 0]]):
        with pytest.raises(AppError) as caught:
            a424.check_places(centres, np.array(moved), ("R", "L", "M"))
        assert caught.value.code == "connectome.left_right"


def test_that_an_atlas_that_is_not_installed_says_how_to_get_it(forget_atlases: None) -> None:
    for load in (lambda: load_atlas("A424"), lambda: load_template("MNI152NLin6Asym")):
        with pytest.raises(AppError) as caught:
            load()
        assert caught.value.code == "connectome.not_installed"
        assert "models install A424" in caught.value.hint


def test_that_the_table_of_areas_has_both_sides_of_180() -> None:
    rows = atlases.read_networks(atlases.resource_path("atlases", "hcp_mmp_networks.tsv"))
    areas = {row["name"][2:] for row in rows}
    assert len(rows) == 360
    assert {row["name"] for row in rows} == {f"{side}_{area}" for side in "LR" for area in areas}
    assert {row["network"] for row in rows if row["name"] in ("L_V1", "R_V1")} == {"Visual"}
    assert {row["network"] for row in rows if row["name"] in ("L_4", "R_4")} == {"Somatomotor"}


# with the real files ---------------------------------------------------------------------------


@needs_files
def test_that_the_real_atlas_has_right_first_and_its_own_coordinates(installed: Path) -> None:
    atlas = load_atlas("A424")
    assert len(atlas.parcel_names) == 424
    assert atlas.parcel_names[:1] + atlas.parcel_names[180:181] == ("R_V1", "L_V1")
    assert "".join(atlas.hemispheres[:361]) == "R" * 180 + "L" * 181
    assert atlas.hemispheres.count("M") == 8
    assert atlas.points.points_mm.shape == (133_743, 3)
    assert atlas.labels_2mm.data.shape == (91, 109, 91)
    stored = nibabel.load(installed / a424.VOLUME)
    for label in (1, 181, 361, 406):
        voxels = np.argwhere(np.asarray(stored.dataobj) == label)
        mm = nibabel.affines.apply_affine(stored.affine, voxels).mean(axis=0)
        np.testing.assert_allclose(atlas.centroids_mm[label - 1], mm, atol=1e-9)
    away = np.linalg.norm(atlas.coordinates_mm - atlas.centroids_mm, axis=1)
    assert np.median(away) == pytest.approx(3.1, abs=0.05)
    assert away.argmax() == 4  # parcel 5
    assert away.max() == pytest.approx(13.2, abs=0.05)
    order = a424.stable_y_order(atlas.coordinates_mm)
    assert order[:10].tolist() == [4, 184, 185, 192, 5, 12, 337, 199, 200, 331]
    reference = (FILES / "y_order_stable_zero_based.txt").read_text().split()
    assert order.tolist() == [int(number) for number in reference]


@needs_files
def test_that_a_changed_file_is_refused_at_loading(installed: Path) -> None:
    path = installed / a424.NAMES
    path.write_bytes(path.read_bytes().replace(b"R_V1", b"L_V1"))
    with pytest.raises(AppError) as caught:
        load_atlas("A424")
    assert caught.value.code == "connectome.file_changed"


@needs_files
def test_that_its_template_is_the_6asym_one_on_the_same_grid(installed: Path) -> None:
    atlas, template = load_atlas("A424"), load_template("MNI152NLin6Asym")
    np.testing.assert_array_equal(template.t1_2mm.affine, atlas.labels_2mm.affine)
    assert template.t1_2mm.data.shape == atlas.labels_2mm.data.shape == (91, 109, 91)
    assert template.t1_2mm.space == atlas.template == "MNI152NLin6Asym"
    inside = template.brain_mask_2mm.data
    labelled = np.asarray(atlas.labels_2mm.data) > 0
    grey = template.grey_2mm.data
    # The cortex of the atlas lies on the grey matter of its own template better than on that of
    # the other one, which is a different space.
    assert inside[labelled].mean() > 0.999
    other = load_template("MNI152NLin2009cAsym")
    voxels = np.rint((atlas.points.points_mm - other.grey_2mm.affine[:3, 3]) / 2).astype(int)
    assert grey[labelled].mean() > other.grey_2mm.data[tuple(voxels.T)].mean() + 0.05
    total = template.grey_2mm.data + template.white_2mm.data + template.csf_2mm.data
    assert np.abs(total[inside] - 1).max() < 1e-5
    deep = deep_grey(atlas)[::2, ::2, ::2]
    labels = np.asarray(atlas.labels_2mm.data)
    np.testing.assert_array_equal(deep, (labels >= 361) & (labels <= 396))


@needs_files
def test_that_a_vertex_takes_the_parcel_at_its_place(installed: Path) -> None:
    atlas = load_atlas("A424")
    for side, parcel in (("R", 7), ("L", 187)):  # primary motor cortex
        point = atlas.points.points_mm[atlas.points.parcel_of_point == parcel]
        middle = point[np.linalg.norm(point - point.mean(axis=0), axis=1).argmin()][None]
        labels = vertex_labels(middle, middle, atlas, side)
        assert labels.tolist() == [parcel + 1]
