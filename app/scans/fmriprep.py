"""fMRIPrep derivatives: a preprocessed run with its own mask, reference and confound table.

Files belong together when their entities are exactly equal, never because they come first.
Where none or several fit, the user chooses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import frozen
from app.core.images import Image3D
from app.core.number_tables import row_count
from app.core.results import Finding, Severity
from app.scans.bids import KNOWN_SPACES, entities_of, read_sidecar_checked, stem_of
from app.scans.faults import Fault
from app.scans.volume import read_volume

_CONFOUND_SUFFIXES = ("timeseries", "regressors")  # the second until fMRIPrep 20.1
_GRID_TOLERANCE_MM = 1e-3
_LABEL = re.compile(r"(sub|ses)-([A-Za-z0-9]+)")
_RAW_INSTEAD = "Open the unprocessed run, or fMRIPrep's output in MNI152NLin2009cAsym."


@dataclass(frozen=True, slots=True)
class DerivativeRun:
    """The files of one preprocessed run; `faults` say why it cannot be used."""

    bold: Path
    space: str
    mask: Path | None
    boldref: Path | None
    confounds: Path | None  # None: the user has to choose among `candidates`
    candidates: tuple[Path, ...]
    question: str
    faults: tuple[Fault, ...]
    findings: tuple[Finding, ...]


def is_derivative(path: Path) -> bool:
    """Whether a name says that the run was processed before (a ``desc-`` other than raw)."""
    entities = entities_of(stem_of(path))
    return entities.get("suffix") == "bold" and "desc" in entities


def match_run(bold: Path, confounds: Path | None = None) -> DerivativeRun:
    """Find what belongs to a preprocessed run.

    Parameters
    ----------
    bold
        ``…_space-…_desc-preproc_bold.nii.gz``.
    confounds
        The table that the user chose; None = the one with exactly the run's entities.
    """
    entities = entities_of(stem_of(bold))
    faults = [*_kind_faults(entities), *_label_faults(bold, entities)]
    spatial = {key: value for key, value in entities.items() if key not in ("desc", "suffix")}
    masks = _with_entities(bold.parent, {**spatial, "desc": "brain", "suffix": "mask"}, ".nii")
    references = _with_entities(bold.parent, {**spatial, "suffix": "boldref"}, ".nii")
    findings: list[Finding] = []
    if not faults and len(masks) != 1:
        words = "no brain mask" if not masks else f"{len(masks)} brain masks"
        faults.append(
            Fault(
                "derivative.mask",
                f"The run has {words} with exactly its entities.",
                "Keep fMRIPrep's files of a run together, each once.",
            )
        )
    if len(references) > 1:
        faults.append(
            Fault(
                "derivative.boldref",
                f"The run has {len(references)} reference images.",
                "Keep one.",
            )
        )
    if not references:
        findings.append(
            Finding(
                "derivative.boldref_missing",
                Severity.NOTE,
                "The run has no reference image; the mean of its volumes stands in.",
            )
        )
    table, candidates, question = _confounds(bold, entities, confounds)
    return DerivativeRun(
        bold=bold,
        space=entities.get("space", ""),
        mask=masks[0] if len(masks) == 1 else None,
        boldref=references[0] if len(references) == 1 else None,
        confounds=table,
        candidates=candidates,
        question=question,
        faults=tuple(faults),
        findings=tuple(findings),
    )


def check_rows(run: DerivativeRun, volumes: int) -> list[Fault]:
    """The table must have a row for each volume."""
    if run.confounds is None:
        return []
    rows = row_count(run.confounds)
    if rows == volumes:
        return []
    words = "cannot be read" if rows < 0 else f"has {rows} rows; the run has {volumes} volumes"
    return [
        Fault(
            "derivative.confounds_rows",
            f"The confound table {words}.",
            "Choose the table of this run, or run fMRIPrep again.",
        )
    ]


def same_grid(image: Image3D, shape: tuple[int, ...], affine: Any, what: str) -> list[Fault]:
    """Mask and reference must lie on the run's own grid."""
    if image.data.shape == tuple(shape) and np.allclose(
        image.affine, affine, atol=_GRID_TOLERANCE_MM, rtol=0.0
    ):
        return []
    return [
        Fault(
            "derivative.other_grid",
            f"The {what} lies on another grid than the run.",
            "It belongs to another run, space or resolution.",
        )
    ]


def made_by(bold: Path) -> str:
    """Name and version of the program that the dataset's description names first."""
    for folder in list(bold.absolute().parents)[:6]:
        described = folder / "dataset_description.json"
        try:
            if described.stat().st_size > 1 << 20:
                return "another program"
            content = json.loads(described.read_text(encoding="utf-8-sig"))
            first = content["GeneratedBy"][0]
            name, version = str(first["Name"])[:32], str(first.get("Version", ""))[:24]
            return "".join(c for c in f"{name} {version}".strip() if c.isalnum() or c in " .+-")
        except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
            continue
    return "another program (its name is not stated)"


def read_mask(path: Path, space: str) -> Image3D:
    """A brain mask of 0 and 1, RAS+.

    Raises
    ------
    ScanError
        ``derivative.mask`` for other values or an empty mask.
    """
    volume = read_volume(path, space)
    values = set(np.unique(np.asarray(volume.data)).tolist())
    if not values <= {0, 1} or values == {0}:
        raise Fault("derivative.mask", "The brain mask holds other values than 0 and 1.",
                    "Use fMRIPrep's own mask.").error()  # fmt: skip
    return Image3D(frozen(np.asarray(volume.data) != 0), volume.affine, space)


def _kind_faults(entities: dict[str, str]) -> list[Fault]:
    """Variants that must not be analysed, with the reason."""
    desc, space = entities.get("desc", ""), entities.get("space", "")
    faults = []
    if "aroma" in desc.lower() or "nonaggr" in desc.lower():
        faults.append(
            Fault(
                "derivative.aroma",
                "The run was cleaned and smoothed by ICA-AROMA: cleaning it again would put noise "
                "back, and no model here was made from such data.",
                "Use the run with desc-preproc.",
            )
        )
    elif "smooth" in desc.lower():
        faults.append(
            Fault(
                "derivative.smoothed",
                "The run was smoothed: neighbouring parcels are mixed and the models were made "
                "from unsmoothed runs.",
                "Use the run with desc-preproc.",
            )
        )
    elif desc != "preproc":
        faults.append(
            Fault(
                "derivative.kind",
                f"The run is a derivative of another kind (desc-{desc[:24]}): what was done to it "
                "is not known.",
                "Use fMRIPrep's run with desc-preproc.",
            )
        )
    if space in ("", "T1w", "boldref", "func", "individual"):
        where = "T1w space" if space == "T1w" else "the run's own space"
        faults.append(
            Fault(
                "derivative.native_space",
                f"The run lies in {where}, where the atlas is not known.",
                _RAW_INSTEAD,
            )
        )
    elif space not in KNOWN_SPACES:
        faults.append(
            Fault(
                "derivative.space",
                f"The run lies in a space that has no atlas here ({space[:32]}).",
                _RAW_INSTEAD,
            )
        )
    if "echo" in entities:
        faults.append(
            Fault("derivative.one_echo", "The run is one echo of several.", "Use the combined run.")
        )
    return faults


def _label_faults(bold: Path, entities: dict[str, str]) -> list[Fault]:
    """Participant and session in the folders, the name and the sidecar must be one."""
    faults = []
    sidecar, _ = read_sidecar_checked(bold)
    sources = [
        str(item)
        for key in ("Sources", "RawSources")
        for item in (sidecar.get(key) if isinstance(sidecar.get(key), list) else [])  # type: ignore[union-attr]
    ][:200]
    for key, word in (("sub", "participant"), ("ses", "session")):
        own = entities.get(key)
        folders = {
            match[2]
            for part in bold.absolute().parts[:-1]
            for match in [_LABEL.fullmatch(part)]
            if match and match[1] == key
        }
        stated = {label for text in sources for kind, label in _LABEL.findall(text) if kind == key}
        if folders and own is not None and folders != {own}:
            faults.append(
                Fault(
                    "derivative.labels_differ",
                    f"The {word} in the file's name is not that of its folder.",
                    "Check whose run this is.",
                )
            )
        if stated and own is not None and stated != {own}:
            faults.append(
                Fault(
                    "derivative.labels_differ",
                    f"The sidecar names another {word} than the file.",
                    "Check whose run this is.",
                )
            )
    return faults


def _confounds(
    bold: Path, entities: dict[str, str], chosen: Path | None
) -> tuple[Path | None, tuple[Path, ...], str]:
    """The table in force, those to choose from, and the question."""
    if chosen is not None:
        return chosen, (), ""
    own = {
        key: value
        for key, value in entities.items()
        if key not in ("space", "res", "den", "cohort", "desc", "suffix")
    }
    exact = [
        path
        for suffix in _CONFOUND_SUFFIXES
        for path in _with_entities(
            bold.parent, {**own, "desc": "confounds", "suffix": suffix}, ".tsv"
        )
    ]
    if len(exact) == 1:
        return exact[0], (), ""
    if exact:
        return None, tuple(exact), f"{len(exact)} confound tables fit this run: choose one."
    others = tuple(
        path
        for path in _files(bold.parent, ".tsv")
        if entities_of(path.stem).get("desc") == "confounds"
        and entities_of(path.stem).get("sub") == entities.get("sub")
    )
    return None, others, "No confound table has exactly this run's entities: choose one."


def confounds_beside(path: Path) -> Path | None:
    """The one confound table with exactly the run's entities, for parcel series of that run."""
    entities = entities_of(path.stem)
    for key in ("atlas", "seg", "stat", "den"):
        entities.pop(key, None)
    return _confounds(path, entities, None)[0]


def _with_entities(folder: Path, wanted: dict[str, str], ending: str) -> list[Path]:
    return [path for path in _files(folder, ending) if entities_of(stem_of(path)) == wanted]


def _files(folder: Path, ending: str) -> Iterator[Path]:
    try:
        names = sorted(folder.iterdir())
    except OSError:
        return
    for path in names:
        name = path.name.lower()
        if name.endswith(ending) or (ending == ".nii" and name.endswith(".nii.gz")):
            yield path
