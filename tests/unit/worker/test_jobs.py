"""The real jobs that need no model: inspect and preview, through the real child."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.core.errors import ScanError
from app.worker import requests
from app.worker.process import Worker
from tests import dicom_files as dicom


@pytest.fixture(scope="module")
def scan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored LAS scan of 9 x 8 x 7 voxels and 24 frames with a slope."""
    rng = np.random.default_rng(4)
    data = rng.integers(200, 900, (9, 8, 7, 24)).astype(np.int16)
    affine = np.diag([-3.0, 3.5, 4.0, 1.0])
    affine[:3, 3] = 12.0, -14.0, -12.0
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3.0, 3.5, 4.0, 2.0))
    image.header.set_slope_inter(0.5, 10.0)
    path = tmp_path_factory.mktemp("scan") / "sub-07_task-rest_bold.nii.gz"
    image.to_filename(path)
    return path


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as running:
        yield running


def test_that_inspect_then_preview_give_header_and_exact_voxels(
    worker: Worker, scan_path: Path, tmp_path: Path
) -> None:
    inspection = requests.inspection_of(worker.run(requests.inspect_job(scan_path, tmp_path)))
    assert inspection.scan.shape == (9, 8, 7, 24)
    assert inspection.scan.repetition_time_s == 2.0
    assert inspection.scan.storage_orientation == "LAS"
    assert inspection.participant["label"] == "sub-07"
    answer = worker.run(requests.preview_job(scan_path, tmp_path, inspection.scan))
    volumes = np.load(answer["volumes"], mmap_mode="r")
    facts = json.loads(Path(answer["facts"]).read_text())
    expected = nibabel.as_closest_canonical(nibabel.load(scan_path))
    assert np.array_equal(
        volumes * facts["slope"] + facts["intercept"], np.asarray(expected.dataobj)
    )
    assert np.allclose(facts["affine"], expected.affine)
    assert volumes[..., 3].flags.f_contiguous
    assert not list(tmp_path.glob("*.part"))


def test_that_a_file_that_is_no_image_is_one_typed_error(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "sub-07_task-rest_bold.nii.gz"
    path.write_bytes(b"no image")
    with pytest.raises(ScanError) as caught:
        worker.run(requests.inspect_job(path, tmp_path / "scratch"))
    assert "sub-07" not in str(caught.value)


def test_that_a_dicom_series_is_inspected_and_previewed_exactly(
    worker: Worker, tmp_path: Path
) -> None:
    protocol = dicom.oblique(frames=20, slices=4)
    voxels = dicom.truth_voxels(protocol)
    folder = dicom.save(dicom.mosaic(protocol, voxels), tmp_path / "in")
    contents = requests.contents_of(worker.run(requests.look_job(folder)))
    series = contents.candidates[0].key
    job = requests.inspect_job(contents.path, tmp_path / "scratch", series=series)
    inspection = requests.inspection_of(worker.run(job))
    assert inspection.scan.shape == (6, 7, 4, 20)
    assert inspection.participant["sex"] == "F"
    job = requests.preview_job(contents.path, tmp_path / "scratch", inspection.scan, series=series)
    volumes = np.load(worker.run(job)["volumes"], mmap_mode="r")
    assert sorted(np.unique(volumes)) == sorted(np.unique(voxels))


def test_that_the_preview_takes_what_was_inspected_once_and_only_of_that_scan(
    worker: Worker, scan_path: Path, tmp_path: Path
) -> None:
    scan, other = tmp_path / "sub-07_task-rest_bold.nii.gz", tmp_path / "sub-08_bold.nii.gz"
    scan.write_bytes(scan_path.read_bytes())
    scratch = tmp_path / "scratch"
    found = requests.inspection_of(worker.run(requests.inspect_job(scan, scratch))).scan
    scan.unlink()  # whoever read it again would fail
    with pytest.raises(ScanError):
        worker.run(requests.preview_job(other, scratch, found))
    with pytest.raises(ScanError):
        worker.run(requests.preview_job(scan, tmp_path / "elsewhere", found))
    answer = worker.run(requests.preview_job(scan, scratch, found))
    expected = nibabel.as_closest_canonical(nibabel.load(scan_path))
    facts = json.loads(Path(answer["facts"]).read_text())
    volumes = np.load(answer["volumes"]) * facts["slope"] + facts["intercept"]
    assert np.array_equal(volumes, np.asarray(expected.dataobj))
    assert facts["scan_sha256"] == found.sha256
    with pytest.raises(ScanError):
        worker.run(requests.preview_job(scan, scratch, found))


def test_that_parcel_series_are_inspected_without_an_image(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "sub-07_task-rest_atlas-HCPEx_timeseries.tsv"
    random = np.random.default_rng(1).normal(0, 1, (30, 426))
    path.write_text("\n".join("\t".join(map(str, row)) for row in random) + "\n")
    job = requests.inspect_job(path, tmp_path / "scratch", repetition_time_s=2.0)
    inspection = requests.inspection_of(worker.run(job))
    assert not inspection.scan.is_image and inspection.scan.shape == (426, 1, 1, 30)
    assert "series.order_by_position" in {finding.code for finding in inspection.findings}
