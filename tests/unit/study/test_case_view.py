"""The window finds mapped, read-only arrays of the agreed kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.errors import StorageError
from app.study.case_view import open_view
from tests.sample_case import make_sample_case


def test_that_a_view_has_the_agreed_shapes_and_is_mapped(tmp_path: Path) -> None:
    view = open_view(make_sample_case(tmp_path))
    grid = (97, 115, 97)
    for array, dtype in (
        (view.template, "uint8"), (view.boldref, "float32"), (view.labels, "int16"),
        (view.mask, "bool"), (view.template_mask, "bool"), (view.tsnr, "float32"),
    ):  # fmt: skip
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
        assert (array.shape, array.dtype) == (grid, dtype)
    assert view.affine is not None
    assert view.native_affine is not None
    assert view.affine[:3, 3].tolist() == [-96.0, -132.0, -78.0]
    assert view.native_mask is not None
    assert view.native_mask.dtype == bool
    left, right = view.surfaces["left"], view.surfaces["right"]
    assert left.pial_mm.shape == (10242, 3)
    assert left.faces.shape == (20480, 3)
    assert left.pial_mm[:, 0].mean() < 0 < right.pial_mm[:, 0].mean()
    assert set(np.unique(left.labels)) <= set(range(181))
    assert set(np.unique(right.labels)) <= {0, *range(181, 361)}
    assert view.carpet_rows is not None
    assert sorted(view.carpet_rows) == list(range(426))


def test_that_a_case_of_an_earlier_version_opens_without_masks_and_noise_map(
    tmp_path: Path,
) -> None:
    folder = make_sample_case(tmp_path)
    for name in ("mask", "template_mask", "tsnr"):
        (folder / "view" / f"{name}.npy").unlink()
    view = open_view(folder)
    assert (view.mask, view.template_mask, view.tsnr) == (None, None, None)
    assert view.boldref is not None


def test_that_a_folder_without_pictures_opens_empty(tmp_path: Path) -> None:
    view = open_view(tmp_path)
    assert view.template is None
    assert view.surfaces == {}
    assert view.affine is None


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"no array"])
def test_that_a_damaged_picture_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "view").mkdir()
    (tmp_path / "view" / "labels.npy").write_bytes(content)
    with pytest.raises(StorageError) as caught:
        open_view(tmp_path)
    assert caught.value.code == "study.view_damaged"


def test_that_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    (tmp_path / "view").mkdir()
    np.save(tmp_path / "view" / "labels.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(StorageError):
        open_view(tmp_path)
