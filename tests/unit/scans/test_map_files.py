"""Maps from files on the pictures' grids, against nibabel and by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from app.core.errors import ScanError
from app.scans.map_files import Grid, read_map

TEMPLATE = Grid("MNI152NLin2009cAsym", (7, 8, 9), np.array(
    [[2.0, 0, 0, -6], [0, 2, 0, -8], [0, 0, 2, -10], [0, 0, 0, 1]]))  # fmt: skip
SCANNER = Grid("scanner", (5, 6, 7), np.array(
    [[3.0, 0, 0, -6], [0, 3, 0, -9], [0, 0, 4, -8], [0, 0, 0, 1]]))  # fmt: skip
BOTH = (TEMPLATE, SCANNER)


def saved(path: Path, data: Any, affine: Any, *, sform: int = 4, qform: int | None = None) -> Path:
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, sform)
    image.set_qform(affine, sform if qform is None else qform)
    image.to_filename(path)
    return path


def values() -> Any:
    return np.random.default_rng(3).normal(size=(7, 8, 9)).astype(np.float32)


def test_that_a_map_on_the_pictures_grid_keeps_its_values(tmp_path: Path) -> None:
    data = values()
    data[0, 0, 0] = np.nan
    path = saved(tmp_path / "space-MNI152NLin2009cAsym_stat-z_map.nii.gz", data, TEMPLATE.affine)
    found = read_map(path, BOTH)
    np.testing.assert_array_equal(found.values, np.nan_to_num(data))
    assert (found.space, found.kind, found.notes) == ("MNI152NLin2009cAsym", "map", ())
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.unit == "no unit stated"


def test_that_storage_order_changes_no_place(tmp_path: Path) -> None:
    data = values()
    flipped = TEMPLATE.affine @ np.array(
        [[-1.0, 0, 0, 6], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    path = saved(tmp_path / "space-MNI152NLin2009cAsym_map.nii", data[::-1], flipped)
    np.testing.assert_array_equal(read_map(path, BOTH).values, data)


def test_that_another_grid_is_named_with_its_interpolation(tmp_path: Path) -> None:
    fine = np.zeros((14, 16, 18), np.float32)
    fine[...] = np.arange(14)[:, None, None]  # 1 mm, grows by 1 a mm along x
    affine = np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = TEMPLATE.affine[:3, 3]
    path = saved(tmp_path / "space-MNI152NLin2009cAsym_map.nii.gz", fine, affine)
    found = read_map(path, BOTH)
    expected = np.broadcast_to((2.0 * np.arange(7))[:, None, None], (7, 8, 9))
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert "linear interpolation" in found.notes[0]
    assert "1 x 1 x 1 mm" in found.notes[0]
    mask = (fine > 6).astype(np.uint8)
    path = saved(tmp_path / "space-MNI152NLin2009cAsym_mask.nii.gz", mask, affine)
    found = read_map(path, BOTH)
    assert found.kind == "mask"
    assert set(np.unique(found.values)) == {0.0, 1.0}
    assert "nearest neighbour" in found.notes[0]


def test_that_a_scanners_map_lies_on_the_scan(tmp_path: Path) -> None:
    data = np.ones(SCANNER.shape, np.float32)
    data[2, 3, 4] = 5.0
    found = read_map(saved(tmp_path / "lesion.nii.gz", data, SCANNER.affine, sform=1), BOTH)
    assert found.space == "scanner"
    np.testing.assert_array_equal(found.values, data)


@pytest.mark.parametrize(
    ("name", "sform", "told"),
    [
        ("space-MNI152NLin6Asym_map.nii.gz", 4, "is in MNI152NLin6Asym"),
        ("map.nii.gz", 4, "does not name its MNI template"),
        ("map.nii.gz", 2, "does not name its space"),
    ],
)
def test_that_doubts_about_the_space_are_told(
    name: str, sform: int, told: str, tmp_path: Path
) -> None:
    found = read_map(saved(tmp_path / name, values(), TEMPLATE.affine, sform=sform), BOTH)
    assert found.space == "MNI152NLin2009cAsym"
    assert told in found.notes[0]


@pytest.mark.parametrize(
    ("name", "sform", "moved", "code"),
    [
        ("space-fsLR_map.nii.gz", 4, 0.0, "map.other_space"),
        ("map.nii.gz", 3, 1.0, "map.other_space"),
        ("map.nii.gz", 2, 1.0, "map.space_unknown"),
        ("map.nii.gz", 0, 0.0, "scan.orientation_unknown"),
        ("space-MNI152NLin2009cAsym_map.nii.gz", 4, 900.0, "map.outside"),
    ],
)
def test_that_a_map_of_no_known_place_is_refused(
    name: str, sform: int, moved: float, code: str, tmp_path: Path
) -> None:
    affine = TEMPLATE.affine.copy()
    affine[0, 3] += moved
    path = saved(tmp_path / name, values(), affine, sform=sform)
    with pytest.raises(ScanError) as refused:
        read_map(path, BOTH)
    assert refused.value.code == code


def test_that_a_template_map_needs_a_template(tmp_path: Path) -> None:
    path = saved(tmp_path / "space-MNI152NLin6Asym_map.nii.gz", values(), TEMPLATE.affine)
    with pytest.raises(ScanError) as refused:
        read_map(path, (SCANNER,))
    assert refused.value.code == "map.no_picture"


def test_that_four_dimensions_and_foreign_bytes_are_refused(tmp_path: Path) -> None:
    many = saved(tmp_path / "many.nii.gz", np.ones((7, 8, 9, 3), np.float32), TEMPLATE.affine)
    with pytest.raises(ScanError) as refused:
        read_map(many, BOTH)
    assert refused.value.code == "scan.dimensions"
    text = tmp_path / "text.nii"
    text.write_text("no image" * 100)
    with pytest.raises(ScanError):
        read_map(text, BOTH)


def test_that_the_sidecar_gives_space_and_unit(tmp_path: Path) -> None:
    path = saved(tmp_path / "map.nii.gz", values(), TEMPLATE.affine, sform=2)
    facts = {"SpatialReference": "MNI152NLin2009cAsym", "Units": "log-odds"}
    (tmp_path / "map.json").write_text(json.dumps(facts))
    found = read_map(path, BOTH)
    assert (found.unit, found.notes) == ("log-odds", ())


def test_that_whole_positive_numbers_are_labels_and_others_are_not(tmp_path: Path) -> None:
    numbers = np.zeros((7, 8, 9), np.int16)
    numbers[1:3, 2, 3], numbers[5, 6, 7] = 4, 11
    path = saved(tmp_path / "space-MNI152NLin2009cAsym_dseg.nii.gz", numbers, TEMPLATE.affine)
    found = read_map(path, BOTH)
    assert found.kind == "labels"
    assert set(np.unique(found.values).tolist()) == {0.0, 4.0, 11.0}
    signed = saved(tmp_path / "space-MNI152NLin2009cAsym_map.nii.gz", -numbers, TEMPLATE.affine)
    assert read_map(signed, BOTH).kind == "map"
    one = saved(tmp_path / "space-MNI152NLin2009cAsym_mask.nii.gz", (numbers > 0).astype(np.int16),
                TEMPLATE.affine)  # fmt: skip
    assert read_map(one, BOTH).kind == "mask"
