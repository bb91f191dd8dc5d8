"""Jobs about bundles and devices, as window and command line ask for them."""

from __future__ import annotations

from pathlib import Path

from app.worker.protocol import Job
from app.worker.requests import INSPECT_LIMIT_S, new_job_id

TRANSFER_LIMIT_S = 600.0


def bundle_card_job(model_id: str) -> Job:
    """A model's card as a page."""
    return Job("bundle_card", {"model_id": model_id}, new_job_id(), time_limit_s=INSPECT_LIMIT_S)


def bundle_export_job(model_id: str, target: Path) -> Job:
    """Write a model as one file."""
    arguments = {"model_id": model_id, "target": str(target)}
    return Job("bundle_export", arguments, new_job_id(), time_limit_s=TRANSFER_LIMIT_S)


def bundle_import_job(source: Path) -> Job:
    """Install a model from one file."""
    arguments = {"source": str(source)}
    return Job("bundle_import", arguments, new_job_id(), time_limit_s=TRANSFER_LIMIT_S)


def devices_job() -> Job:
    """Name and memory of every device."""
    return Job("devices", {}, new_job_id(), time_limit_s=INSPECT_LIMIT_S)
