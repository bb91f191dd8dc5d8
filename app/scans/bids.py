"""What a BIDS file name and the files around it say: entities, sidecar, participant.

Everything read here was written by others: sizes are capped, texts cleaned, odd values end in
a finding. A file name outside BIDS may hold a person's name, so nothing of it is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.results import Finding, Severity
from app.scans import participants
from app.scans.participants import ParticipantsTable

SIMULATOR = "NeuroResponder app.simulation"  # how SimulatedBy of our own scans begins
UNNAMED = "sub-unnamed"
KNOWN_SPACES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym")
IMAGE_ENDINGS = (".nii.gz", ".nii", ".hdr.gz", ".img.gz", ".hdr", ".img")
_SIDECAR_LIMIT_BYTES = 4 << 20
_LEVELS = 6  # folders to look upwards for the dataset's root
_TOLD_OF_EACH = (
    "scan.participants_damaged", "scan.participants_unit", "scan.participants_converted",
    "scan.participants_no_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParticipantFacts:
    """What name and tables say about the person of a scan; no name, no date."""

    label: str = UNNAMED  # "sub-…", letters and digits only
    session: str = ""  # "ses-…" or ""
    task: str = ""
    age_years: float | None = None
    sex: str | None = None  # "F", "M", "O"
    baseline_pain: float | None = None  # 0..10
    site: str | None = None
    findings: tuple[Finding, ...] = ()


def stem_of(path: Path) -> str:
    """File name without its image ending."""
    name = path.name
    for ending in IMAGE_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem


def entities_of(name: str) -> dict[str, str]:
    """BIDS entities of a stem such as ``sub-01_task-rest_bold``, the suffix under "suffix"."""
    entities = {}
    parts = name.split("_")
    for part in parts:
        key, dash, value = part.partition("-")
        if dash and key.isalnum() and value and key not in entities:
            entities[key] = value
    if len(parts) > 1 and "-" not in parts[-1]:
        entities["suffix"] = parts[-1]
    return entities


def clean_label(prefix: str, value: str) -> str:
    """``prefix-value`` with letters and digits only; a short hash where others occur."""
    if re.fullmatch(r"[A-Za-z0-9]{1,32}", value):
        return f"{prefix}-{value}"
    return f"{prefix}-{hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()[:8]}"


def space_of(path: Path) -> tuple[str, list[Finding]]:
    """Template that the name claims ("scanner" without a ``space`` entity), and findings.

    The claim is checked against the image itself when the scan is registered.
    """
    space = entities_of(stem_of(path)).get("space", "")
    if not space:
        return "scanner", []
    if space in KNOWN_SPACES:
        return space, []
    return "scanner", [
        Finding(
            "scan.space_unknown",
            Severity.WARNING,
            "The name says that the run was resampled to a space that is not known here; it is "
            "treated as lying in scanner space.",
            "Best is the unprocessed run, or one in MNI152NLin2009cAsym.",
        )
    ]


def read_sidecar(path: Path) -> dict[str, Any]:
    """Metadata of a scan by BIDS inheritance, from the dataset's root down to its folder."""
    return read_sidecar_checked(path)[0]


def read_sidecar_checked(path: Path) -> tuple[dict[str, Any], list[Finding]]:
    """`read_sidecar` with findings about sidecars that could not be read.

    Inherited files are those whose entities are all among the scan's, with its suffix; the
    deeper folder and the longer name win. A scan named outside BIDS has the one ``.json`` of
    its own name.
    """
    merged: dict[str, Any] = {}
    findings: list[Finding] = []
    for candidate in _sidecars(path):
        try:
            if candidate.stat().st_size > _SIDECAR_LIMIT_BYTES:
                raise ValueError("too large")
            content = json.loads(candidate.read_text(encoding="utf-8-sig"))
            if not isinstance(content, dict):
                raise ValueError("not an object")
        except (OSError, ValueError, RecursionError):
            findings.append(
                Finding(
                    "scan.sidecar_damaged",
                    Severity.WARNING,
                    "A JSON sidecar of the scan cannot be read; its facts are missing.",
                    "Check the JSON file beside the scan.",
                )
            )
            continue
        merged.update(content)
    return merged, findings


def sidecar_record(path: Path) -> dict[str, Any]:
    """All that sidecars say of a scan, spelt in one way, for a hash; damaged ones by their bytes.

    Order of keys, spacing and line ends make no difference; any value does.
    """
    content, findings = read_sidecar_checked(path)
    try:
        text = json.dumps(content, sort_keys=True)
    except (ValueError, RecursionError):  # deeper than can be written again
        text = ""
    if text and not findings:
        return {"content": text}
    raw = []
    for candidate in _sidecars(path):
        try:
            with candidate.open("rb") as handle:
                raw.append(hashlib.file_digest(handle, "sha256").hexdigest())
        except OSError:
            raw.append("-")
    return {"content": text, "raw": raw}


def _sidecars(path: Path) -> list[Path]:
    stem = stem_of(path)
    own = path.with_name(f"{stem}.json")
    wanted = entities_of(stem)
    if "sub" not in wanted or "suffix" not in wanted:
        return [own] if own.is_file() else []
    found: list[tuple[int, int, str, Path]] = []
    folders = _folders(path)
    for depth, folder in enumerate(reversed(folders)):
        try:
            names = [entry for entry in folder.iterdir() if entry.suffix == ".json"]
        except OSError:
            continue
        for entry in names:
            entities = entities_of(entry.stem)
            if "suffix" not in entities and entry.stem == wanted["suffix"]:
                entities["suffix"] = entry.stem  # "bold.json"
            if "suffix" in entities and entities.items() <= wanted.items():
                found.append((depth, len(entities), entry.name, entry))
    return [entry for *_, entry in sorted(found, key=lambda item: item[:3])]


def _folders(path: Path) -> list[Path]:
    """The scan's folder and those above it up to the dataset's root, if there is a root."""
    folders = list(path.absolute().parents)[: _LEVELS + 1]
    for count, folder in enumerate(folders, start=1):
        if (folder / "dataset_description.json").is_file():
            return folders[:count]
    return folders[:1]


def participant_of(path: Path) -> ParticipantFacts:
    """Facts about the person of a scan from its name and ``participants.tsv``."""
    entities = entities_of(stem_of(path))
    if "sub" not in entities:
        return ParticipantFacts()
    label = clean_label("sub", entities["sub"])
    session = clean_label("ses", entities["ses"]) if "ses" in entities else ""
    task = re.sub(r"[^A-Za-z0-9]", "", entities.get("task", ""))[:32]
    place = participants.find_table(_folders(path))
    table = ParticipantsTable() if place is None else participants.read_participants(place)
    row, findings = _participant_row(table, entities)
    age, age_findings = participants.age_of(table, row)
    pain, pain_findings = participants.pain_of(table, row)
    sex, sex_findings = participants.sex_of(table, row)
    site = re.sub(r"[^\w .-]", "", row.get("site", "")).strip()[:64]
    return ParticipantFacts(
        label=label,
        session=session,
        task=task,
        age_years=age,
        sex=sex,
        baseline_pain=pain,
        site=None if site.lower() in participants.MISSING else site,
        findings=(*findings, *sex_findings, *age_findings, *pain_findings),
    )


def _participant_row(
    table: ParticipantsTable, entities: Mapping[str, str]
) -> tuple[dict[str, str], list[Finding]]:
    """The one row of the person and visit, and what is wrong with the columns that are used."""
    told = [finding for finding in table.findings if finding.code in _TOLD_OF_EACH]
    mine = table.rows_of(f"sub-{entities['sub']}", entities.get("ses", ""))
    if len(mine) > 1 and any(row != mine[0] for row in mine):
        return {}, [
            *told,
            Finding(
                "scan.participants_ambiguous",
                Severity.WARNING,
                f"participants.tsv has {len(mine)} different rows for this participant; none is "
                "used.",
            ),
        ]
    return (mine[0] if mine else {}), told
