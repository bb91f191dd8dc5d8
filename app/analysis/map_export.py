"""One value a parcel, written for other programs: volume, surfaces, table, one sidecar each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app import __version__
from app.analysis.outputs import nifti_bytes
from app.attribution.brain_maps import parcels_to_vertices, parcels_to_volume
from app.core.arrays import Floats
from app.core.errors import StorageError
from app.core.explanation_wording import baseline_words
from app.core.images import Image3D
from app.core.results import Case
from app.core.sides import UNKNOWN_SENTENCE, without_unknown_sides
from app.core.wording import NON_CAUSAL_CAPTION, RUO_LINE, case_stamps
from app.study.case_store import read_case, verify_case
from app.study.case_view import CaseView, is_drawn, open_view
from app.study.files import replace_file, storage_errors

SURFACE_SPACE = "fsaverage5"
_SIDES = {"left": ("L", "CortexLeft"), "right": ("R", "CortexRight")}


def export_parcel_map(
    case_folder: Path, target: Path, values: Floats, facts: Mapping[str, Any]
) -> list[str]:
    """Write a parcel map into a folder and return the names of its files.

    Parameters
    ----------
    case_folder
        The case that the map belongs to: template, atlas, meshes and stamps come from it.
    values
        (parcel,), atlas order; NaN = no value.
    facts
        ``desc`` (letters and digits, for the names), ``title``, ``unit``, ``threshold``
        (magnitude below which the window hides parcels) and ``hidden`` (how many), and
        ``causal_note`` (whether the map is an attribution). ``baseline`` names the one that a
        map (b) was drawn from, where it is not the answer's own. For an attribution also
        ``method``, ``reference`` (what the values are relative to) and the flags of its parcels:
        ``disagreeing`` ((parcel,), the two methods differ) and ``unstable`` ((parcel,) or None,
        where stability was not computed).

    Raises
    ------
    StorageError
        The case has no atlas volume, what it is drawn from was changed, or a file could not be
        written.
    """
    verify_case(case_folder, is_drawn)
    case, view = read_case(case_folder), open_view(case_folder)
    if case.signals is None or view.labels is None or view.affine is None:
        raise StorageError(
            "This case has no atlas volume, so its map cannot be written.",
            "Run the analysis again.",
            code="study.no_labels",
        )
    if len(values) != len(case.signals.parcel_names):
        raise ValueError(f"{len(values)} values for {len(case.signals.parcel_names)} parcels")
    files = _volume(case, view, values, facts) | _surfaces(case, view, values, facts)
    files |= _table(case, values, facts)
    with storage_errors():
        target.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with storage_errors():
            replace_file(target / name, content)
    return sorted(files)


def _stem(case: Case, space: str, facts: Mapping[str, Any], hemi: str = "") -> str:
    assert case.signals is not None
    desc = re.sub("[^A-Za-z0-9]", "", str(facts["desc"]))
    side = f"_hemi-{hemi}" if hemi else ""
    where = f"_space-{space}" if space else ""
    return f"{case.stem()}{side}{where}_atlas-{case.signals.atlas}_desc-{desc}"


def _record(case: Case, space: str, facts: Mapping[str, Any]) -> bytes:
    """What must be known of the map wherever it goes."""
    assert case.signals is not None
    record: dict[str, Any] = {
        "Description": facts["title"],
        "Units": facts["unit"],
        "SpatialReference": space,
        "Atlas": case.signals.atlas,
        "AtlasSHA256": case.signals.atlas_sha256 or "unknown",
        "ThresholdOnScreen": float(facts["threshold"]),
        "ParcelsBelowThreshold": int(facts["hidden"]),
        "Thresholded": False,
        "Interpolation": "none: whole parcels, nearest voxel or vertex",
        "Stamps": [*case_stamps(case), RUO_LINE],
        "Simulated": case.scan.simulated,
        "Sources": [f"urn:sha256:{case.scan.sha256}"],
        "GeneratedBy": [{"Name": "NeuroResponder", "Version": __version__}],
    }
    if facts["causal_note"]:
        record["Meaning"] = NON_CAUSAL_CAPTION
        record |= _flags_record(facts)
        if facts.get("baseline"):
            record["Baseline"] = facts["baseline"]
            record["AnswersOwnMap"] = False
        prediction = case.prediction
        if prediction is not None and prediction.model is not None:
            record["Model"] = prediction.model.model_id
            record["ModelSHA256"] = prediction.model.weights_sha256
    if not case.scan.orientation_known:
        record["ParcelSides"] = UNKNOWN_SENTENCE
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _volume(
    case: Case, view: CaseView, values: Floats, facts: Mapping[str, Any]
) -> dict[str, bytes]:
    assert view.labels is not None
    assert view.affine is not None
    painted = parcels_to_volume(np.nan_to_num(values), np.asarray(view.labels))
    image = Image3D(painted, view.affine, view.template_name)
    stem = _stem(case, view.template_name, facts)
    baseline = baseline_words(str(facts.get("baseline", "")))
    # The header's field holds 79 characters: which baseline it is, the comment says.
    other = "other baseline" if baseline else ""
    description = "; ".join(part for part in (str(facts["unit"]), other, RUO_LINE) if part)
    told = _told(facts)
    comment = f"{told} {RUO_LINE}" if baseline or told != f"{facts['title']}." else ""
    return {
        f"{stem}_map.nii.gz": nifti_bytes(image, description=description, comment=comment),
        f"{stem}_map.json": _record(case, view.template_name, facts),
    }


def _surfaces(
    case: Case, view: CaseView, values: Floats, facts: Mapping[str, Any]
) -> dict[str, bytes]:
    """Per hemisphere a GIfTI of the vertices; NaN where a vertex belongs to no parcel."""
    import nibabel

    gifti: Any = nibabel.gifti  # its names are not exported to type checkers
    files = {}
    for side, surface in view.surfaces.items():
        letter, structure = _SIDES[side]
        painted = parcels_to_vertices(values, np.asarray(surface.labels)).astype(np.float32)
        meta = gifti.GiftiMetaData(
            {
                "AnatomicalStructurePrimary": structure,
                "Name": str(facts["title"]),
                "Units": str(facts["unit"]),
                "SpatialReference": SURFACE_SPACE,
                "Stamps": "; ".join([*case_stamps(case), RUO_LINE]),
            }
        )
        if facts.get("baseline"):
            meta["Baseline"] = str(facts["baseline"])
        if "disagreeing" in facts:
            meta["Description"] = _told(facts)
            meta["Method"], meta["Reference"] = str(facts["method"]), str(facts["reference"])
        array = gifti.GiftiDataArray(
            painted, intent="NIFTI_INTENT_NONE", datatype="NIFTI_TYPE_FLOAT32", meta=meta
        )
        image = gifti.GiftiImage(darrays=[array], meta=meta)
        stem = _stem(case, SURFACE_SPACE, facts, letter)
        files[f"{stem}_map.func.gii"] = image.to_bytes()
        files[f"{stem}_map.json"] = _record(case, SURFACE_SPACE, facts)
    return files


def _table(case: Case, values: Floats, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """One row a parcel: number in the atlas, name, network, side, value, flags, reference."""
    signals = without_unknown_sides(case).signals
    assert signals is not None
    baseline = baseline_words(str(facts.get("baseline", "")))
    value = f"value ({baseline})" if baseline else "value"
    heads, more = _flag_columns(facts, len(values))
    lines = ["\t".join(("index", "name", "network", "hemisphere", value, *heads))]
    for parcel, number in enumerate(values):
        text = repr(float(number)) if np.isfinite(number) else "n/a"
        lines.append(
            f"{parcel + 1}\t{signals.parcel_names[parcel]}\t{signals.networks[parcel]}\t"
            + "\t".join((signals.hemispheres[parcel], text, *more[parcel]))
        )
    stem = _stem(case, "", facts)
    return {
        f"{stem}_parcels.tsv": ("\n".join(lines) + "\n").encode("utf-8"),
        f"{stem}_parcels.json": _record(case, case.signals.template if case.signals else "", facts),
    }


# The flags that the window hatches --------------------------------------------------------------


def _flag_columns(facts: Mapping[str, Any], count: int) -> tuple[list[str], list[list[str]]]:
    """Heads and, for each parcel, the cells of what must be known of its value."""
    if "disagreeing" not in facts:
        return [], [[] for _ in range(count)]
    unstable = facts["unstable"]
    reference = " ".join(str(facts["reference"]).split())
    rows = [
        [
            str(int(apart)),
            "n/a" if unstable is None else str(int(unstable[parcel])),
            reference,
        ]
        for parcel, apart in enumerate(facts["disagreeing"])
    ]
    if len(rows) != count:
        raise ValueError(f"{len(rows)} flags for {count} parcels")
    return ["methods_disagree", "unstable", "reference"], rows


def _flags_record(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Method, reference and flagged parcels, by their numbers in the atlas (first = 1)."""
    if "disagreeing" not in facts:
        return {}
    unstable = facts["unstable"]
    return {
        "Method": facts["method"],
        "Reference": facts["reference"],
        "DisagreeingParcels": _numbers(facts["disagreeing"]),
        "UnstableParcels": "not computed" if unstable is None else _numbers(unstable),
        "Flags": (
            "DisagreeingParcels: methods (a) and (b) differ in sign or rank. UnstableParcels: "
            "under the stability limit over repeats. Numbers are the atlas's, first = 1. The "
            "window hatches both; the values are written all the same."
        ),
    }


def _told(facts: Mapping[str, Any]) -> str:
    """Title, method, reference and flags in sentences, for fields of free text."""
    words = f"{facts['title']}."
    if "disagreeing" not in facts:
        return words
    unstable = facts["unstable"]
    judged = (
        "stability not computed" if unstable is None else f"unstable: {_listed(_numbers(unstable))}"
    )
    return (
        f"{words} Method: {facts['method']}. Values relative to: {facts['reference']}. Parcels "
        f"(first = 1) where methods (a) and (b) disagree: "
        f"{_listed(_numbers(facts['disagreeing']))}; {judged}."
    )


def _numbers(flags: Any) -> list[int]:
    return [parcel + 1 for parcel, flag in enumerate(flags) if flag]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
