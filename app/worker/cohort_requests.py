"""Jobs about cohorts, as the window asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.worker.protocol import Job
from app.worker.requests import LOOK_LIMIT_S, new_job_id

RUN_LIMIT_S = 90 * 24 * 3600.0
RUN_CANCEL_GRACE_S = 25.0  # for running scans to end at their next step
GROUP_LIMIT_S = 3600.0


def cohort_list_job(bids_dir: Path, out_dir: Path) -> Job:
    """List a BIDS folder's visits; announces ``cohort_rows``, answers findings, units, models."""
    arguments = {"bids_dir": str(bids_dir.absolute()), "out_dir": str(out_dir.absolute())}
    return Job("cohort_list", arguments, new_job_id(), time_limit_s=LOOK_LIMIT_S)


def cohort_outcomes_job(
    people: Sequence[tuple[str, str, str]], *, plan: Path, table: Path, target: Path
) -> Job:
    """Outcomes of rows (key, participant, session) under the plan that is locked in `target`."""
    arguments = {
        "people": [list(one) for one in people],
        "plan": str(plan.absolute()),
        "table": str(table.absolute()),
        "target": str(target.absolute()),
    }
    return Job("cohort_outcomes", arguments, new_job_id(), time_limit_s=LOOK_LIMIT_S)


def cohort_run_job(
    bids_dir: Path,
    out_dir: Path,
    keys: Sequence[str],
    *,
    model_id: str,
    device: str = "cpu",
    workers: int = 0,
    scheduler: str = "",
) -> Job:
    """Analyse visits; announces ``cohort_rows`` and ``cohort_engine``, answers outcomes."""
    arguments = {
        "bids_dir": str(bids_dir.absolute()),
        "out_dir": str(out_dir.absolute()),
        "keys": list(keys),
        "model_id": model_id,
        "device": device,
        "workers": workers,
        "scheduler": scheduler,
    }
    return Job(
        "cohort_run", arguments, new_job_id(), time_limit_s=RUN_LIMIT_S,
        cancel_grace_s=RUN_CANCEL_GRACE_S,
    )  # fmt: skip


def cohort_group_job(out_dir: Path, keys: Sequence[str], group_by: str = "") -> Job:
    """Mean matrices of rows; answers the file of arrays, the groups, and who was left out."""
    arguments = {"out_dir": str(out_dir.absolute()), "keys": list(keys), "group_by": group_by}
    return Job("cohort_group", arguments, new_job_id(), time_limit_s=GROUP_LIMIT_S)


def cohort_learn_job(
    out_dir: Path,
    keys: Sequence[str],
    *,
    plan: Path,
    table: Path,
    target: Path,
    model_id: str = "",
    by_hand: Sequence[tuple[str, str]] = (),
) -> Job:
    """Judge a plan's models on rows, and train with an id; answers where the evaluation lies.

    `by_hand` holds (participant, session) of the rows that the user excluded.
    """
    arguments = {
        "out_dir": str(out_dir.absolute()),
        "keys": list(keys),
        "plan": str(plan.absolute()),
        "table": str(table.absolute()),
        "target": str(target.absolute()),
        "model_id": model_id,
        "by_hand": [list(one) for one in by_hand],
    }
    return Job("cohort_learn", arguments, new_job_id(), time_limit_s=RUN_LIMIT_S)


def cohort_reports_job(cases: Sequence[tuple[str, Path]], target: Path) -> Job:
    """Summaries of finished rows; answers how many were written, and why others were not."""
    arguments = {
        "cases": [[key, str(folder.absolute())] for key, folder in cases],
        "target": str(target.absolute()),
    }
    return Job("cohort_reports", arguments, new_job_id(), time_limit_s=RUN_LIMIT_S)
