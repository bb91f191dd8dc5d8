"""Surface maps: both sides from either file, the mesh never guessed, one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from app.core.errors import ScanError
from app.scans.surface_maps import partner_of, plain_name, read_surface_map

COUNT = 10242
MESH = {"left": COUNT, "right": COUNT}


def write(
    path: Path, values: Any, *, side: str = "", intent: str = "NIFTI_INTENT_NONE", **meta: str
) -> Path:
    gifti: Any = nibabel.gifti
    if side:
        meta["AnatomicalStructurePrimary"] = side
    array = gifti.GiftiDataArray(
        np.asarray(values, np.float32), intent=intent, datatype="NIFTI_TYPE_FLOAT32"
    )
    image = gifti.GiftiImage(darrays=[array], meta=gifti.GiftiMetaData(meta))
    path.write_bytes(image.to_bytes())
    return path


def series(seed: int, count: int = COUNT) -> Any:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


@pytest.mark.parametrize("opened", ["L", "R"])
def test_that_either_file_opens_both_sides_as_they_are_stored(tmp_path: Path, opened: str) -> None:
    for letter, seed in (("L", 1), ("R", 2)):
        write(tmp_path / f"sub-01_hemi-{letter}_space-fsaverage5_map.func.gii", series(seed))
    path = tmp_path / f"sub-01_hemi-{opened}_space-fsaverage5_map.func.gii"
    found = read_surface_map(path, MESH)
    assert [side for side, _ in found.sides] == ["left", "right"]
    np.testing.assert_array_equal(found.sides[0][1], series(1))
    np.testing.assert_array_equal(found.sides[1][1], series(2))
    assert found.name == "sub-01_space-fsaverage5_map"
    assert found.notes == ()
    twin = path.with_name(path.name.replace(f"hemi-{opened}", "hemi-" + "LR".strip(opened)))
    assert read_surface_map(twin, MESH).sha256 == found.sha256


def test_that_the_file_says_which_side_it_is_before_its_name_does(tmp_path: Path) -> None:
    path = write(tmp_path / "lh.thickness.shape.gii", series(3), side="CortexRight", Units="mm")
    found = read_surface_map(path, MESH)
    assert [side for side, _ in found.sides] == ["right"]
    assert found.unit == "mm"
    assert any("right side only" in note for note in found.notes)
    assert any("does not name its surface" in note for note in found.notes)
    with pytest.raises(ScanError, match="which hemisphere"):
        read_surface_map(write(tmp_path / "thickness.shape.gii", series(3)), MESH)


def test_that_another_count_of_vertices_is_one_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path / "sub-01.L.32k.func.gii", series(4, 32492))
    with pytest.raises(ScanError, match=r"32492 vertices, as fs_LR 32k has.* has 10242") as caught:
        read_surface_map(path, MESH)
    assert caught.value.code == "map.vertices"
    assert caught.value.hint == "Resample it to fsaverage5."


def test_that_a_finer_mesh_is_taken_only_where_it_is_named(tmp_path: Path) -> None:
    values = series(5, 40962)
    path = write(tmp_path / "hemi-L_space-fsaverage6_map.func.gii", values)
    found = read_surface_map(path, MESH)
    np.testing.assert_array_equal(found.sides[0][1], values[:COUNT])
    assert any("On fsaverage6" in note for note in found.notes)
    with pytest.raises(ScanError, match="as fsaverage6 and CIVET have"):
        read_surface_map(write(tmp_path / "hemi-L_map.func.gii", values), MESH)
    with pytest.raises(ScanError, match="lies on fsLR"):
        read_surface_map(write(tmp_path / "hemi-L_space-fsLR_map.func.gii", series(6)), MESH)


def test_that_what_is_no_map_is_refused(tmp_path: Path) -> None:
    gifti: Any = nibabel.gifti
    several = gifti.GiftiImage(
        darrays=[gifti.GiftiDataArray(series(n), datatype="NIFTI_TYPE_FLOAT32") for n in range(2)]
    )
    (tmp_path / "lh.two.func.gii").write_bytes(several.to_bytes())
    with pytest.raises(ScanError, match="several maps"):
        read_surface_map(tmp_path / "lh.two.func.gii", MESH)
    good = write(tmp_path / "lh.good.func.gii", series(7)).read_bytes()
    for index, data in enumerate(
        (
            b"",
            b"not xml",
            good[: len(good) // 2],
            good.replace(b"GZipBase64Binary", b"ExternalFileBinary"),
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><GIFTI>&b;</GIFTI>',
        )
    ):
        path = tmp_path / f"lh.bad{index}.func.gii"
        path.write_bytes(data)
        with pytest.raises(ScanError) as caught:
            read_surface_map(path, MESH)
        assert caught.value.code == "map.not_gifti"
    with pytest.raises(ScanError, match="no surface"):
        read_surface_map(tmp_path / "lh.good.func.gii", {})
    points = write(tmp_path / "lh.pial.gii", series(8), intent="NIFTI_INTENT_POINTSET")
    with pytest.raises(ScanError, match="mesh without values"):
        read_surface_map(points, MESH)


@pytest.mark.parametrize(
    ("name", "other", "plain"),
    [
        ("sub-01_hemi-L_map.func.gii", "sub-01_hemi-R_map.func.gii", "sub-01_map"),
        ("rh.thickness.shape.gii", "lh.thickness.shape.gii", "thickness"),
        ("sub-01.R.curv.gii", "sub-01.L.curv.gii", "sub-01.curv"),
    ],
)
def test_that_partners_differ_by_their_side_alone(name: str, other: str, plain: str) -> None:
    found = partner_of(Path("/data") / name)
    assert found == Path("/data") / other
    assert plain_name(Path(name)) == plain
    assert partner_of(Path("/data/map.func.gii")) is None
