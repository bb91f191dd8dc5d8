"""The same person through another door: DICOM gives what NIfTI gives, and tells nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.analysis.measure import Measurement
from app.analysis.routes import measure_source
from app.core.folders import log_folder
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case
from app.simulation.participant import SimulatedParticipant
from app.worker import requests
from app.worker.process import Worker
from tests import dicom_files as dicom

CANARIES = (b"Mustermann", b"Erika", b"PAT-0815", b"19610203", b"20240517", b"Musterstadt",
            b"MRC40815", b"ACC4711", dicom.ROOT.encode(), b"rest_bold_secret")  # fmt: skip


def as_dicom(scan: Path, folder: Path) -> Path:
    """A NIfTI run written as a Siemens mosaic series, private facts and all."""
    image = nibabel.load(scan)
    data = np.asarray(image.dataobj.get_unscaled())
    flip = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine  # DICOM counts left and back
    sizes = np.linalg.norm(flip[:3, :3], axis=0)
    axes = flip[:3, :3] / sizes
    if np.dot(np.cross(axes[:, 0], axes[:, 1]), axes[:, 2]) < 0:  # slices along the normal
        last = np.array([0.0, 0.0, data.shape[2] - 1.0, 1.0])
        flip[:3, 3] = (flip @ last)[:3]
        data = data[:, :, ::-1]
    columns, rows, slices, frames = data.shape
    protocol = dicom.Protocol(
        columns, rows, slices, frames, (float(sizes[1]), float(sizes[0])), float(sizes[2]),
        tuple(axes[:, 0]), tuple(axes[:, 1]), tuple(flip[:3, 3]),
        float(image.header.get_zooms()[3]), description="rest_bold_secret",
    )  # fmt: skip
    assert data.min() >= 0
    assert data.max() < 2**15
    items = dicom.mosaic(protocol, data.astype(np.uint16))
    for item in items:
        item.BitsStored, item.HighBit = 16, 15
    return dicom.save(items, folder)


@pytest.fixture(scope="module")
def series(small_participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory):
    """That person as DICOM, without the simulator's sidecar."""
    return as_dicom(small_participant.paths.bold, tmp_path_factory.mktemp("dicom") / "in")


def test_that_dicom_and_nifti_of_one_person_give_the_same_series(
    series: Path, small_case: tuple[Case, Path], tmp_path: Path
) -> None:
    """Same voxels, same place to 1e-3 mm: parcel series and connectivity must follow."""
    request = AnalysisRequest(series, tmp_path, threads=2)
    ours = measure_source(request, Measurement(), Progress())
    theirs = small_case[0]
    assert theirs.signals is not None
    assert theirs.connectome is not None
    assert ours.scan.shape == theirs.scan.shape
    assert np.abs(ours.scan.affine - theirs.scan.affine).max() < 1e-3
    covered = np.isfinite(theirs.signals.raw).all(axis=0)
    assert np.array_equal(covered, np.isfinite(ours.signals.raw).all(axis=0))
    one, two = ours.signals.raw[:, covered], theirs.signals.raw[:, covered]
    r = [np.corrcoef(one[:, p], two[:, p])[0, 1] for p in range(one.shape[1])]
    assert np.median(r) > 0.999
    assert np.nanmax(np.abs(ours.connectome.matrix - theirs.connectome.matrix)) < 0.1
    assert not ours.scan.simulated  # nothing in DICOM may claim the simulator


def test_that_no_identifier_comes_out_of_the_worker(series: Path, tmp_path: Path) -> None:
    """[P1] Logs, scratch names, answers: every byte below the program's folders is searched."""
    home = log_folder().parent
    scratch = tmp_path / "scratch"
    with Worker() as worker:
        contents = requests.contents_of(worker.run(requests.look_job(series)))
        key = contents.candidates[0].key
        job = requests.inspect_job(series, scratch, series=key)
        inspection = requests.inspection_of(worker.run(job))
        requests.preview_job(series, scratch, inspection.scan, series=key)
        broken = tmp_path / "Mustermann"
        broken.mkdir()
        (broken / "a.dcm").write_bytes((series / "IM00000").read_bytes()[:900])
        with pytest.raises(Exception) as caught:
            worker.run(requests.inspect_job(broken, scratch))
    told = repr(caught.value).encode() + repr(replace(inspection, participant={})).encode()
    names = "\n".join(str(p.relative_to(scratch)) for p in scratch.rglob("*")).encode()
    logged = b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())
    for canary in CANARIES:
        assert canary not in told + names + logged
    texts = [p for p in scratch.rglob("*") if p.suffix in (".json", ".txt")]
    assert not [p for p in texts for canary in CANARIES if canary in p.read_bytes()]
