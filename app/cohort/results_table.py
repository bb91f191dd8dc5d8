"""``results.tsv`` with its sidecar: one row a participant-visit, every column described."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import __version__
from app.cohort.rows import CohortRow
from app.core.wording import RUO_LINE
from app.study.files import replace_file, storage_errors

RESULTS = "results.tsv"
_TEXT = "n/a where nothing is known"
# Column, field of the row, description, unit.
COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("participant_id", "participant", "Pseudonym", ""),
    ("session_id", "session", "Visit", ""),
    ("run", "run", "Entities that tell the run from others of the visit", ""),
    ("site", "site", "Of participants.tsv", ""),
    ("age", "age_years", "Of participants.tsv", "years"),
    ("sex", "sex", "Of participants.tsv", ""),
    ("baseline_pain", "baseline_pain", "Pain before treatment, 0 to 10", ""),
    ("arm", "arm", "Of participants.tsv, otherwise of the model", ""),
    ("drug", "drug", "Of participants.tsv, otherwise of the model", ""),
    ("time_point", "time_point", "Of participants.tsv, otherwise of the model", ""),
    ("responder_definition", "responder_definition", "What a responder is", ""),
    ("outcome", "outcome", "result, inconclusive, withheld (a gate is closed: no number is "
     "given), failed (nothing could be measured) or waiting", ""),
    ("reason", "reason", "Why there is no number, or what makes it inconclusive", ""),
    ("reason_code", "code", "Stable word for the reason of a failure", ""),
    ("probability", "probability", "Calibrated probability of meeting the responder definition "
     "in people like the training cohort", ""),
    ("interval_low", "interval_low", "Lower end of its 95 % interval", ""),
    ("interval_high", "interval_high", "Upper end of its 95 % interval", ""),
    ("conformal_set", "conformal_set", "Classes that the probability leaves open at the model's "
     "nominal level: {R}, {NR}, {both} or {}", ""),
    ("base_rate", "base_rate", "Share of responders among the training cohort", ""),
    ("quality", "quality", "Verdict of the quality table: pass, attention or withheld", ""),
    ("mean_fd", "mean_fd_mm", "Mean framewise displacement (Power)", "mm"),
    ("usable_time", "usable_time_s", "Time of the frames that are used", "s"),
    ("flagged", "flagged_percent", "Share of the frames that are not used", "percent"),
    ("blocking_finding", "blocking", "What forbids to use the scan at all, such as an unknown "
     "orientation: it is in no mean and no model", ""),
    ("novelty_percentile", "novelty_percentile", "Among the model's training participants", ""),
    ("model", "model", "Id of the model", ""),
    ("weights_sha256", "weights_sha256", "Of the model's weights", ""),
    ("atlas", "atlas", "Parcels", ""),
    ("preset", "preset", "How the series were cleaned", ""),
    ("simulated", "simulated", "Whether the scan says that it was simulated", ""),
    ("scan_sha256", "scan_sha256", "Of the scan's bytes", ""),
    ("case_id", "case_id", "Folder below cases/", ""),
    ("source", "source", "The scan, relative to the BIDS folder", ""),
    ("duration", "seconds", "Wall clock of the analysis", "s"),
    ("cpu_time", "cpu_seconds", "Processor time of the analysis", "s"),
    ("peak_memory", "peak_memory_mib", "Most resident memory of the worker so far", "MiB"),
)  # fmt: skip


def write_results(
    out_dir: Path, rows: Sequence[CohortRow], units: Mapping[str, str], *, source: Path
) -> Path:
    """Write table, sidecar and the description of the folder as a derivative data set.

    Raises
    ------
    StorageError
        An older table is as it was.
    """
    with storage_errors():
        out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / RESULTS
    replace_file(path, results_text(rows).encode())
    replace_file(path.with_suffix(".json"), _json(sidecar(units)))
    replace_file(out_dir / "dataset_description.json", _json(description(source)))
    replace_file(out_dir / ".bidsignore", b"cases/\nrows/\nprepared/\ngroup/\nresults.*\n")
    return path


def written_units(out_dir: Path) -> dict[str, str]:
    """How the covariates' units were found, as an earlier table says."""
    try:
        content = json.loads((out_dir / RESULTS).with_suffix(".json").read_text(encoding="utf-8"))
        return {
            str(name): str(entry["UnitsInParticipantsTsv"])
            for name, entry in content.items()
            if "UnitsInParticipantsTsv" in entry
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def results_text(rows: Sequence[CohortRow]) -> str:
    """The table as tab-separated text; floats in the shortest exact spelling."""
    lines = ["\t".join(name for name, *_ in COLUMNS)]
    lines += ["\t".join(cell_text(getattr(row, field)) for _, field, *_ in COLUMNS) for row in rows]
    return "\n".join(lines) + "\n"


def cell_text(value: object) -> str:
    """A cell of a BIDS table."""
    if value is None or value == "":
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).split())


def sidecar(units: Mapping[str, str]) -> dict[str, Any]:
    """What each column is, with units, and how the covariates' units were found."""
    described: dict[str, Any] = {}
    for name, _field, words, unit in COLUMNS:
        entry = {"Description": f"{words}; {_TEXT}"}
        if unit:
            entry["Units"] = unit
        if name in units:
            entry["UnitsInParticipantsTsv"] = units[name]
        described[name] = entry
    described["Note"] = {"Description": RUO_LINE}
    return described


def description(source: Path) -> dict[str, Any]:
    """``dataset_description.json`` of the results folder; holds no path of this machine."""
    origin = _source_description(source)
    return {
        "Name": "NeuroResponder cohort results",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "NeuroResponder", "Version": __version__}],
        "SourceDatasets": [origin],
        "DatasetLinks": {},
        "HowToAcknowledge": RUO_LINE,
    }


def _source_description(source: Path) -> dict[str, Any]:
    try:
        path = source / "dataset_description.json"
        if path.stat().st_size > 1 << 20:
            raise ValueError
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        doi = str(content.get("DatasetDOI", ""))[:128]
        name = str(content.get("Name", ""))[:128]
    except (OSError, ValueError, AttributeError, RecursionError):
        doi, name = "", ""
    entry = {"Version": "unknown"}
    if doi:
        entry["DOI"] = doi
    if name:
        entry["Name"] = name
    return entry


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
