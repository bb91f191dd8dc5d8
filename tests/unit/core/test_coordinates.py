"""Typed places, known by hand."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, ornt_transform

from app.core.coordinates import as_stored, read_point, stored_grid, stored_voxel
from app.core.errors import AppError

AFFINE = np.array([[2.0, 0, 0, -96], [0, 2, 0, -132], [0, 0, 2, -78], [0, 0, 0, 1]])
SHAPE = (97, 115, 97)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-4 26 40", (-4.0, 26.0, 40.0)),
        (" -4, 26 ;40 mm", (-4.0, 26.0, 40.0)),
        ("L 4 A 26 S 40", (-4.0, 26.0, 40.0)),
        ("s40 l4 a26", (-4.0, 26.0, 40.0)),
        ("R -4 P -26 I -40 mm", (-4.0, 26.0, 40.0)),
        ("voxel 46,79,59", (-4.0, 26.0, 40.0)),
        ("v 46 79 59", (-4.0, 26.0, 40.0)),
        ("\N{MINUS SIGN}4.5 .5 40.", (-4.5, 0.5, 40.0)),
    ],
)
def test_that_a_place_is_read_as_written(text: str, expected: tuple[float, ...]) -> None:
    assert read_point(text, affine=AFFINE, shape=SHAPE) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "coordinate.unreadable"),
        ("1 2", "coordinate.unreadable"),
        ("1 2 3 4", "coordinate.unreadable"),
        ("L 4 R 4 S 1", "coordinate.unreadable"),
        ("L 4 A 26 S 40 here", "coordinate.unreadable"),
        ("1e3 0 0", "coordinate.unreadable"),
        ("nan 0 0", "coordinate.unreadable"),
        ("99999 0 0", "coordinate.unreadable"),
        ("-200 0 0", "coordinate.outside"),
        ("voxel 97 0 0", "coordinate.outside"),
    ],
)
def test_that_what_is_no_place_is_refused(text: str, code: str) -> None:
    with pytest.raises(AppError) as refused:
        read_point(text, affine=AFFINE, shape=SHAPE)
    assert refused.value.code == code


def test_that_letters_are_refused_where_sides_are_unknown() -> None:
    with pytest.raises(AppError) as refused:
        read_point("L 4 A 26 S 40", affine=AFFINE, shape=SHAPE, sides_known=False)
    assert refused.value.code == "coordinate.no_sides"
    assert read_point("-4 26 40", affine=AFFINE, shape=SHAPE, sides_known=False) == (-4, 26, 40)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPI", "PIR", "SRP", "AIL", ""])
def test_that_stored_voxels_are_those_of_nibabel(codes: str) -> None:
    order = codes or "RAS"
    affine = np.array([[2.0, 0.1, 0, -9], [-0.1, 3, 0.2, 8], [0, -0.2, 4, 7], [0, 0, 0, 1]])
    values = np.arange(5 * 6 * 7).reshape(5, 6, 7)  # on the RAS+ grid
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(order))
    stored = nibabel.Nifti1Image(values.astype(np.int16), affine).as_reoriented(turn)
    found, shape = stored_grid(affine, values.shape, codes)
    assert shape == stored.shape
    np.testing.assert_allclose(found, stored.affine, atol=1e-5)
    for voxel in ((0, 0, 0), (1, 4, 2), (4, 5, 6)):
        assert stored.dataobj[stored_voxel(voxel, values.shape, codes)] == values[voxel]
    sizes = as_stored((2.0, 3.0, 4.0), codes)
    assert sizes == pytest.approx(stored.header.get_zooms(), abs=0.02)
