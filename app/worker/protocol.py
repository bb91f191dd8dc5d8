"""What parent and child say to each other: one JSON object a line, nothing else.

Every message of a job carries its id, the scan's SHA-256 and the participant's UUID as the
parent gave them; the parent drops and counts what does not match. Nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core import errors
from app.core.errors import AppError, CancelledError, WorkerError
from app.core.progress import ProgressEvent

MAX_LINE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work for the child.

    `scan_sha256` and `participant_uuid` may be empty where they are not known yet ("inspect").
    `arguments` are plain JSON values.
    """

    name: str
    arguments: dict[str, Any]
    job_id: str
    scan_sha256: str = ""
    participant_uuid: str = ""
    time_limit_s: float = 3600.0
    memory_limit_bytes: int = 0  # 0 = the worker's own limit
    cancel_grace_s: float = 0.0  # to end by itself after a cancel; 0 = the worker's own


@dataclass(frozen=True, slots=True)
class Binding:
    """Which job a message belongs to."""

    job_id: str
    scan_sha256: str
    participant_uuid: str

    @classmethod
    def of(cls, job: Job) -> Binding:
        """The binding that the child must repeat."""
        return cls(job.job_id, job.scan_sha256, job.participant_uuid)


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The child has taken the job; one that ends before this has done nothing of it."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is."""

    binding: Binding
    event: ProgressEvent


@dataclass(frozen=True, slots=True)
class JobAnnouncement:
    """Something of a running job is ready, such as ``case_updated`` with its ``case_folder``."""

    binding: Binding
    name: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class JobResult:
    """The answer: plain values; arrays travel as files."""

    binding: Binding
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobError:
    """The one error in which a job ended."""

    binding: Binding
    kind: str  # class of `app.core.errors`
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """The job ended because it was asked to."""

    binding: Binding
    stage: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The child has started and waits for work."""

    pid: int
    facts: dict[str, str] = field(default_factory=dict)


Message = JobStarted | JobProgress | JobAnnouncement | JobResult | JobError | JobCancelled | Ready
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (JobStarted, JobProgress, JobAnnouncement, JobResult, JobError, JobCancelled, Ready)
}
_ERRORS: dict[str, type[AppError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AppError) and kind is not CancelledError
}


def message_line(message: Message) -> bytes:
    """One line for the pipe; raises `ValueError` or `TypeError` for what JSON cannot hold."""
    body = dataclasses.asdict(message)
    return _line({"type": type(message).__name__, **body})


def parse_message(line: bytes) -> Message:
    """Rebuild a message from a line of the child.

    Raises
    ------
    ValueError
        The line is not a message of this protocol.
    """
    data = _object(line)
    kind = _KINDS.get(str(data.pop("type", "")))
    if kind is None:
        raise ValueError("unknown kind of message")
    try:
        if "binding" in data:
            data["binding"] = Binding(**_texts(data["binding"]))
        if kind is JobProgress:
            data["event"] = ProgressEvent(**data["event"])
        if kind is JobAnnouncement:
            data["facts"] = _texts(data["facts"])
        return kind(**data)  # type: ignore[no-any-return]
    except (TypeError, AttributeError) as fault:
        raise ValueError("message with wrong fields") from fault


def job_line(job: Job) -> bytes:
    """The line that starts a job."""
    return _line({"type": "Job", **dataclasses.asdict(job)})


def cancel_line(job_id: str) -> bytes:
    """The line that asks a job to stop."""
    return _line({"type": "Cancel", "job_id": job_id})


def parse_request(line: bytes) -> Job | str:
    """In the child: a job to do, or the id of a job to cancel."""
    data = _object(line)
    kind = data.pop("type", "")
    if kind == "Cancel":
        return str(data["job_id"])
    if kind == "Job":
        return Job(**data)
    raise ValueError("unknown kind of request")


def error_of(message: JobError) -> AppError:
    """The typed error that a message stands for."""
    kind = _ERRORS.get(message.kind, WorkerError)
    return kind(message.message, message.hint, code=message.code)


def _line(body: Mapping[str, Any]) -> bytes:
    line = json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a message of {len(line)} bytes; arrays travel as files")
    return line


def _object(line: bytes) -> dict[str, Any]:
    data = json.loads(line)
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data


def _texts(data: Any) -> dict[str, str]:
    if not all(isinstance(v, str) for v in data.values()):
        raise ValueError("text expected")
    return dict(data)
