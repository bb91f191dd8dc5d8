"""Jobs about cohorts: list, run, matrices, summaries. Rows are told as they come, as JSON text."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.core.progress import Progress

ROWS_AT_A_TIME = 200


def cohort_list(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Every visit of a BIDS folder with what earlier runs have left; opens no image."""
    from app.cohort.batch import known_rows, plan_batch
    from app.cohort.rows import plain_row
    from app.models.installed import installed_models

    progress.set_weights({"Look": 1.0})
    with progress.stage("Look"):
        plan = plan_batch(_request(arguments))
        rows = known_rows(plan)
        for start in range(0, len(rows), ROWS_AT_A_TIME):
            part = [plain_row(row) for row in rows[start : start + ROWS_AT_A_TIME]]
            progress.announce("cohort_rows", rows=json.dumps(part))
            progress.step(start / len(rows))
    return {
        "count": len(rows),
        "findings": [f"{f.message} {f.hint}".rstrip() for f in plan.findings],
        "units": plan.units,
        "models": list(installed_models()),
    }


def cohort_outcomes(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Outcome and definition of rows by key and the plan that is locked in the folder, if any."""
    from app.cohort.learn.outcomes import outcomes_of, recorded_lock
    from app.cohort.learn.plan import read_plan

    progress.set_weights({"Look": 1.0})
    with progress.stage("Look"):
        table = Path(arguments["table"])
        plan = read_plan(Path(arguments["plan"]))
        locked = recorded_lock(plan, table, Path(arguments["target"]))
        if locked is None:
            return {"locked": "", "outcomes": {}}
        asked = {str(key): (str(person), str(session))
                 for key, person, session in arguments["people"]}  # fmt: skip
        found = outcomes_of(locked, table, list(asked.values()))
    return {
        "locked": locked.sha256,
        "outcomes": {
            key: [found[person].words, found[person].definition] for key, person in asked.items()
        },
    }


def cohort_run(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Analyse the visits of `keys`; what is done is recognised and kept."""
    from app.cohort.batch import default_engine, plan_batch, run_batch
    from app.cohort.engine_settings import EngineSettings
    from app.cohort.rows import CohortRow, plain_row

    progress.set_weights({"participants": 1.0})
    plan = plan_batch(_request(arguments))
    gpus = 1 if arguments["device"] == "cuda" else 0
    engine = EngineSettings(workers=int(arguments["workers"]), gpus=gpus,
                            scheduler=str(arguments["scheduler"]))  # fmt: skip

    def told(row: CohortRow) -> None:
        progress.announce("cohort_rows", rows=json.dumps([plain_row(row)]))

    rows = run_batch(
        plan,
        default_engine(engine, plan),
        progress,
        on_row=told,
        say=lambda words: progress.announce("cohort_engine", words=words),
    )
    return {"outcomes": dict(Counter(row.outcome for row in rows))}


def cohort_group(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Mean and difference matrices of the rows of `keys`; arrays lie in the answer's file."""
    from app.cohort.group import group_result
    from app.cohort.group_files import matrices_file, parcel_names, write_matrices
    from app.cohort.rows import read_rows

    progress.set_weights({"Matrices": 1.0})
    with progress.stage("Matrices"):
        out, chosen = Path(arguments["out_dir"]), set(arguments["keys"])
        rows = [row for row in read_rows(out)[0] if row.key in chosen]
        found = group_result(out, rows, group_by=arguments["group_by"])
        progress.step(0.7)
        write_matrices(out / "group", found, parcel_names(out, rows), arguments["group_by"])
        path = matrices_file(out, rows, found)
    return {
        "matrices": str(path),
        "groups": [[m.name, m.scans, m.participants] for m in (found.whole, *found.groups)],
        "left_out": list(found.left_out),
    }


def cohort_reports(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """A participant summary as PDF for each case; those that may have none are told."""
    from app.core.errors import AppError, CancelledError
    from app.core.results import overrides_quality
    from app.reporting.report import write_summary
    from app.study.case_store import read_case
    from app.study.files import storage_errors

    cases: Sequence[Sequence[str]] = arguments["cases"]
    target = Path(arguments["target"])
    with storage_errors():
        target.mkdir(parents=True, exist_ok=True)
    refused: list[str] = []
    progress.set_weights({"Report": 1.0})
    with progress.stage("Report"):
        for number, (key, folder) in enumerate(cases):
            progress.step(number / len(cases), f"{number} of {len(cases)}")
            try:
                case = read_case(Path(folder))
                if overrides_quality(case):
                    refused.append(f"{key}: a verdict on quality was overruled; no summary.")
                    continue
                write_summary(case, Path(folder), target / f"{key}_desc-summary.pdf")
            except CancelledError:
                raise
            except AppError as error:
                refused.append(f"{key}: {error}")
    return {"written": len(cases) - len(refused), "refused": refused, "target": str(target)}


def cohort_learn(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Judge the plan's models on the rows of `keys`, and train the headline where an id is given.

    Labels are read only after the plan is locked; rows that may not be pooled are refused first.
    """
    from app.cohort.experiments.running import Run, report_of
    from app.cohort.group import refuse_mixed_rows
    from app.cohort.learn.exclusions import is_left_out, known_visits, labels_of
    from app.cohort.learn.participants_table import ParticipantsTable
    from app.cohort.learn.plan import read_plan
    from app.cohort.learn.run import LearnRequest, learn
    from app.cohort.learn.train import refuse_bundle, train_bundle
    from app.cohort.rows import read_rows
    from app.cohort.selection import select_prepared
    from app.models.archive import SUFFIX, pack_folder

    cohort, out = Path(arguments["out_dir"]), Path(arguments["target"])
    chosen = set(arguments["keys"])
    rows = [row for row in read_rows(cohort)[0] if row.key in chosen and row.finished]
    refuse_mixed_rows(rows)
    folder = select_prepared(cohort, rows, out / "scans")
    plan = read_plan(Path(arguments["plan"]))
    table, model_id = Path(arguments["table"]), str(arguments["model_id"])
    if model_id:
        refuse_bundle(plan, plan.models.headline, model_id)
    by_hand = tuple((str(one), str(visit)) for one, visit in arguments.get("by_hand", ()))
    taking_part = [(row.participant, row.session) for row in rows]
    # of a visit with two rows one may have been excluded: the visit was not
    by_hand = tuple(v for v in by_hand if not any(is_left_out(one, [v]) for one in taking_part))
    found = learn(LearnRequest(folder, table, plan, out, by_hand=by_hand), progress)
    there = known_visits(by_hand, *ParticipantsTable.read(table, plan).visits(plan))
    command = shlex.join(
        ["python3", "main.py", "evaluate", str(folder), "--table", str(table), "--plan",
         str(arguments["plan"]), "--out", str(out),
         *(["--exclude", *labels_of(there)] if there else [])]
    )  # fmt: skip
    written = report_of(found.evaluation, Run(out, command), "evaluation", progress)
    answer: dict[str, Any] = {
        "evaluation": str(out / "evaluation.json"),
        "report": str(next(path for path in written if path.name == "report.pdf")),
    }
    if model_id:
        done = train_bundle(
            found.evaluation, found.contenders[0], found.workshop, found.atlas,
            out / "models", model_id, progress,
        )  # fmt: skip
        packed = pack_folder(
            done.folder, model_id, out / "models" / f"{model_id}{SUFFIX}", Progress()
        )
        answer |= {"bundle": str(done.folder), "shows_numbers": done.shows_numbers,
                   "interval": done.interval, "model_id": model_id,
                   "archive": str(packed)}  # fmt: skip
    return answer


def _request(arguments: Mapping[str, Any]) -> Any:
    from app.cohort.batch import BatchRequest

    return BatchRequest(
        bids_dir=Path(arguments["bids_dir"]),
        out_dir=Path(arguments["out_dir"]),
        keys=tuple(arguments.get("keys", ())),
        task=str(arguments.get("task", "")),
        model_id=str(arguments.get("model_id", "simulated-demo")),
        device=str(arguments.get("device", "cpu")),
    )


COHORT_JOBS = {
    "cohort_list": cohort_list,
    "cohort_outcomes": cohort_outcomes,
    "cohort_run": cohort_run,
    "cohort_group": cohort_group,
    "cohort_reports": cohort_reports,
    "cohort_learn": cohort_learn,
}
