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
from app.study.case_store import read_case
from app.study.case_view import CaseView, open_view
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
        map (b) was drawn from, where it is not the answer's own.

    Raises
    ------
    StorageError
        The case has no atlas volume, or a file could not be written.
    """
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
    comment = f"{facts['title']}. {RUO_LINE}" if baseline else ""
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
        array = gifti.GiftiDataArray(
            painted, intent="NIFTI_INTENT_NONE", datatype="NIFTI_TYPE_FLOAT32", meta=meta
        )
        image = gifti.GiftiImage(darrays=[array], meta=meta)
        stem = _stem(case, SURFACE_SPACE, facts, letter)
        files[f"{stem}_map.func.gii"] = image.to_bytes()
        files[f"{stem}_map.json"] = _record(case, SURFACE_SPACE, facts)
    return files


def _table(case: Case, values: Floats, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """One row a parcel: number in the atlas, name, network, side, value."""
    signals = without_unknown_sides(case).signals
    assert signals is not None
    baseline = baseline_words(str(facts.get("baseline", "")))
    value = f"value ({baseline})" if baseline else "value"
    lines = [f"index\tname\tnetwork\themisphere\t{value}"]
    for parcel, value in enumerate(values):
        text = repr(float(value)) if np.isfinite(value) else "n/a"
        lines.append(
            f"{parcel + 1}\t{signals.parcel_names[parcel]}\t{signals.networks[parcel]}\t"
            f"{signals.hemispheres[parcel]}\t{text}"
        )
    stem = _stem(case, "", facts)
    return {
        f"{stem}_parcels.tsv": ("\n".join(lines) + "\n").encode("utf-8"),
        f"{stem}_parcels.json": _record(case, case.signals.template if case.signals else "", facts),
    }
