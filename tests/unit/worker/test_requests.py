"""What goes through the pipe comes out equal, and only what belongs there."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import ScanError, WorkerError
from app.core.progress import ProgressEvent
from app.core.request import AnalysisRequest
from app.core.results import Finding, Outcome, Severity
from app.worker import protocol, requests, scratch
from app.worker.protocol import (
    Binding,
    JobAnnouncement,
    JobCancelled,
    JobError,
    JobProgress,
    JobResult,
    Ready,
    message_line,
    parse_message,
    parse_request,
)
from app.worker.requests import Inspection
from tests.sample_case import sample_case

BINDING = Binding("j", "ab" * 32, "u")


def test_that_a_request_comes_out_equal() -> None:
    request = AnalysisRequest(Path("/a b/ü.nii.gz"), Path("/out"), age_years=51.5, threads=2)
    job = requests.analyse_job(request, scan_sha256="ab" * 32)
    read = parse_request(protocol.job_line(job))
    assert read == job
    assert isinstance(read, protocol.Job)
    assert requests.packed_request(read.arguments) == request


def test_that_relative_paths_become_absolute(tmp_path: Path) -> None:
    job = requests.inspect_job(Path("x.nii"), tmp_path)
    assert job.arguments["path"] == str(Path.cwd() / "x.nii")


def test_that_an_inspection_comes_out_equal() -> None:
    scan = sample_case(Outcome.RESULT).scan
    finding = Finding("scan.x", Severity.WARNING, "message", "hint")
    back = requests.inspection_of(requests.pack(Inspection(scan, (finding,), {"label": "sub-1"})))
    assert back.findings == (finding,)
    assert back.participant == {"label": "sub-1"}
    assert back.scan.shape == scan.shape
    assert np.array_equal(back.scan.affine, scan.affine)


@pytest.mark.parametrize(
    "message",
    [
        Ready(3),
        JobProgress(BINDING, ProgressEvent("Motion", 1, 4, 0.5, "", 3.0, None)),
        JobAnnouncement(BINDING, "case_updated", {"folder": "/x"}),
        JobResult(BINDING, {"a": [1, 2.5, None]}),
        JobError(BINDING, "ScanError", "scan.x", "What.", "Do."),
        JobCancelled(BINDING, "Motion"),
    ],
)
def test_that_a_message_comes_out_equal(message: protocol.Message) -> None:
    assert parse_message(message_line(message)) == message


@pytest.mark.parametrize(
    "line",
    [
        b"", b"[]", b"{}", b"nonsense", b'{"type":"Job"}', b'{"type":"Ready"}',
        b'{"type":"JobResult","binding":{"job_id":1},"result":{}}',
        b'{"type":"JobResult","binding":"x","result":{}}',
        b'{"type":"Ready","pid":1,"facts":{},"more":1}',
        b'{"type":"JobProgress","binding":{"job_id":"a","scan_sha256":"","participant_uuid":""},'
        b'"event":{}}',
    ],
)  # fmt: skip
def test_that_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        parse_message(line)


def test_that_errors_keep_their_class() -> None:
    error = protocol.error_of(JobError(BINDING, "ScanError", "scan.x", "What.", "Do."))
    assert (type(error), error.code, error.hint) == (ScanError, "scan.x", "Do.")
    for name in ("os._exit", "Exception", "CancelledError"):
        assert type(protocol.error_of(JobError(BINDING, name, "x", "", ""))) is WorkerError


def test_that_a_scratch_folder_is_private_and_cleaned(tmp_path: Path) -> None:
    left = tmp_path / "neuroresponder-999999999-abc"
    left.mkdir()
    (left / "voxels.npy").touch()
    other = tmp_path / "neuroresponder-somebody"
    other.mkdir()
    folder = scratch.open_scratch(tmp_path)
    assert not left.exists()
    assert other.exists()
    assert f"-{os.getpid()}-" in folder.name
    if sys.platform != "win32":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert scratch.clean_scratch(tmp_path) == 0
    scratch.close_scratch(folder)
    assert not folder.exists()
