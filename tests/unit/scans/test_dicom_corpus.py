"""Valid DICOM in odd clothes must load with its exact values; real scanner files keep their place.

Refusing everything would be safe and useless.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import AppError
from app.scans.dicom.convert import read_dicom
from app.scans.dicom.grid import make_grid
from app.scans.dicom.reading import read_instance
from app.scans.dicom.series import contents_of
from app.scans.geometry import to_canonical

REFERENCE = Path(__file__).parents[2] / "reference" / "dicom_valid_odd"
TRUTH = json.loads((REFERENCE / "truth.json").read_text())


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_that_the_corpus_of_valid_odd_series_loads_with_its_exact_values(tmp_path, name):
    """[D3, N7, N8]"""
    with zipfile.ZipFile(REFERENCE / f"{name}.zip") as archive:
        archive.extractall(tmp_path / "in")
    loaded = read_dicom(tmp_path / "in", cache_dir=tmp_path / "cache")
    truth, image = TRUTH[name], loaded.image
    assert list(image.data.shape) == truth["shape"]
    assert (image.slope, image.intercept) == (1.0, 0.0)
    values = np.ascontiguousarray(np.asarray(image.data).astype("<i4"))
    assert hashlib.sha256(values.tobytes()).hexdigest() == truth["values_sha256"]
    assert np.abs(loaded.scan.affine - truth["affine"]).max() < 1e-4
    assert loaded.scan.repetition_time_s == pytest.approx(truth["repetition_time_s"], abs=1e-6)


def nibabels(name: str, folder: Path) -> Path:
    """A real scanner file that nibabel brings as test data."""
    import nibabel

    packed = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / name
    if not packed.is_file():
        pytest.skip("this nibabel brings no test data")
    path = folder / "real.dcm"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


@pytest.mark.parametrize("name", ["siemens_dwi_0.dcm.gz", "siemens_dwi_1000.dcm.gz"])
def test_that_a_real_siemens_mosaic_lies_where_nibabel_sees_it(tmp_path, name):
    """[D3] Another reader of the same private header."""
    path = nibabels(name, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel warns that its DICOM readers are experimental
        from nibabel.nicom.dicomwrappers import wrapper_from_file

        wrapper = wrapper_from_file(path)
        theirs, data = np.asarray(wrapper.affine, float), np.asarray(wrapper.get_data())
    item = read_instance(path, path.stat().st_size)
    assert item is not None and item.mosaic is not None
    grid, faults, _ = make_grid([item])
    assert not faults and grid is not None
    # nibabel counts rows first and columns second, in DICOM's own left-back-up millimetres.
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ theirs
    _, expected = to_canonical(data[..., None], ras)
    _, found = to_canonical(np.broadcast_to(np.uint8(0), grid.shape), grid.affine)
    assert np.abs(expected - found).max() < 1e-3
    assert grid.shape[:3] == (data.shape[1], data.shape[0], data.shape[2])
    assert len(grid.slice_times_s) == grid.shape[2]
    assert contents_of(tmp_path).choices[0].kind == "diffusion"


def pydicoms() -> list[Path]:
    """Every test file that pydicom's wheel brings."""
    import pydicom

    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    return sorted(path for path in folder.glob("*.dcm"))


@pytest.mark.parametrize("path", pydicoms(), ids=lambda path: path.stem)
def test_that_every_file_of_pydicom_is_listed_or_refused_in_one_error(tmp_path, path):
    """[D3, D4, D5] None is a resting-state run; none may raise anything but our own error."""
    shutil.copy(path, tmp_path / "file")
    if read_instance(path, path.stat().st_size) is None:
        with pytest.raises(AppError, match="no DICOM file"):
            contents_of(tmp_path)
        return
    contents = contents_of(tmp_path)
    assert len(contents.choices) == 1 and not contents.choices[0].openable
    with pytest.raises(AppError) as caught:
        read_dicom(tmp_path, cache_dir=tmp_path / "cache")
    assert caught.value.code.startswith("dicom.") and caught.value.hint
