"""The BIDS-derivatives side of a case folder: dataset description, JSON sidecars, quality record.

Names and keys follow fMRIPrep's and XCP-D's outputs, so that nilearn's `load_confounds` and tools
that read XCP-D's folders find what they look for. Sources are BIDS URIs inside the folder, or the
hash of the scan: no path and no file name of the participant's own files is written.
"""

from __future__ import annotations

from typing import Any

from app import __version__
from app.analysis.measure import NOT_STATED, Measured
from app.core.results import Case
from app.core.sides import UNKNOWN_SENTENCE
from app.core.wording import RUO_LINE
from app.preprocessing.framewise import JENKINSON_RADIUS_MM, POWER_RADIUS_MM
from app.preprocessing.presets import find_preset
from app.study.summary import quality_summary
from app.study.tables import measure_name, series_name

BIDS_VERSION = "1.10.0"

_ATLAS_SIDES = (
    f"{UNKNOWN_SENTENCE}. Names of parcels are the atlas's: L and R in them do not name a side of "
    "this participant."
)
_COLUMNS = {
    "trans": "Head translation, mm",
    "rot": "Head rotation, radians",
    "framewise_displacement": f"Power, radius {POWER_RADIUS_MM:g} mm",
    "rmsd": f"Jenkinson, radius {JENKINSON_RADIUS_MM:g} mm",
    "std_dvars": "DVARS over its expected value (Nichols)",
    "dvars": "RMS over brain voxels of the step from the frame before",
    "csf": "Mean of voxels that are surely CSF",
    "white_matter": "Mean of voxels that are surely white matter, eroded",
    "global_signal": "Mean of brain voxels",
    "cosine": "Discrete cosine slower than 128 s",
    "non_steady_state_outlier": "Frame before the steady state",
}


def derivative_files(case: Case, measured: Measured) -> dict[str, Any]:
    """Every JSON file that outside tools read, by its name in the case folder."""
    signals = case.signals
    assert signals is not None
    stem = case.stem()
    atlas = f"{stem}_atlas-{signals.atlas}"
    measure = measure_name(case.connectome)
    series = f"{atlas}_{series_name(signals)}"
    confounds = f"{stem}_desc-confounds_timeseries"
    source = [f"urn:sha256:{case.scan.sha256}"]
    sides = {} if case.scan.orientation_known else {"ParcelSides": _ATLAS_SIDES}
    files: dict[str, Any] = {
        "dataset_description.json": dataset_description(case),
        f"{confounds}.json": confound_sidecar(case),
        f"{series}.json": {
            "SamplingFrequency": 1.0 / signals.repetition_time_s,
            "Units": "percent of the parcel's mean" if signals.units == "percent" else "arbitrary",
            "NumberOfVolumesDiscardedByUser": signals.first_frame,
            **_preset_record(signals.preset),
            "ResidualDegreesOfFreedom": _finite(signals.residual_degrees_of_freedom),
            "FlaggedFrames": [int(row) for row in (~signals.good_frames).nonzero()[0]],
            "Sources": [*source, f"bids::{confounds}.tsv"],
            **sides,
        },
        f"{atlas}_stat-coverage_bold.json": {
            "Description": "Share of each parcel's points inside field of view and brain mask",
            "Sources": [*source, f"bids::{stem}_desc-brain_mask.nii.gz"],
            **sides,
        },
        f"{atlas}_stat-{measure}_relmat.json": {
            "Measure": measure,
            "FramesUsed": None if case.connectome is None else case.connectome.frame_count,
            "Sources": [f"bids::{series}.tsv"],
            **sides,
        },
        f"{stem}_desc-qc_bold.json": quality_record(case, measured),
    }
    return files


def _preset_record(name: str) -> dict[str, Any]:
    """Filter and regressors; only the name where parcel series do not say how they came."""
    if name == NOT_STATED:
        return {"Preset": name}
    preset = find_preset(name)
    return {
        "SoftwareFilters": {
            "high_pass_hz": preset.high_pass_hz,
            "low_pass_hz": preset.low_pass_hz,
        },
        "Preset": preset.name,
        "PresetSHA256": preset.sha256,
        "ConfoundRegressors": list(preset.regressors),
    }


def dataset_description(case: Case) -> dict[str, Any]:
    """What makes the folder a derivative data set of its own."""
    return {
        "Name": "NeuroResponder case",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "NeuroResponder",
                "Version": __version__,
                "Description": RUO_LINE,
            }
        ],
        "SourceDatasets": [{"URL": f"urn:sha256:{case.scan.sha256}", "Version": "unknown"}],
        "DatasetLinks": {},
    }


def confound_sidecar(case: Case) -> dict[str, Any]:
    """One entry a column; CompCor's as fMRIPrep writes them."""
    signals = case.signals
    assert signals is not None
    record: dict[str, Any] = {}
    for name in signals.confounds:
        facts = signals.confound_facts.get(name)
        if isinstance(facts, dict):
            record[name] = facts
            continue
        start = max((key for key in _COLUMNS if name.startswith(key)), key=len, default="")
        record[name] = {"Description": _COLUMNS.get(start, "")}
    return record


def quality_record(case: Case, measured: Measured) -> dict[str, Any]:
    """The verdict with every metric, and how the run was preprocessed."""
    record: dict[str, Any] = {
        "Sources": [f"urn:sha256:{case.scan.sha256}"],
        **(quality_summary(case.quality) or {}),
    }
    spatial_map = measured.spatial_map
    if spatial_map is not None:
        record["registration"] = {
            "route": spatial_map.route,
            "method": spatial_map.method,
            "route_scores": dict(spatial_map.route_scores),
            "notes": list(spatial_map.notes),
        }
    motion = case.motion
    if motion is not None:
        record["motion"] = {
            "reference_frame": motion.reference_frame,
            "retried_frames": list(motion.retried_frames),
            "fallback_frames": list(motion.fallback_frames),
            "uncertain_frames": list(motion.uncertain_frames),
        }
    made = measured.made
    if made is not None:
        record["preprocessing"] = {
            "mask_method": made.mask_method,
            "slice_timing_reference_s": made.slice_time_s,
            "first_steady_frame": made.steady_frame,
            "interpolation": made.interpolation,
            "devices": made.devices,
        }
    return record


def image_sidecars(case: Case, measured: Measured) -> dict[str, Any]:
    """Sidecars of the images: what each is and what it was made from."""
    if measured.boldref is None:
        return {}
    stem, template = case.stem(), measured.template.name
    source = [f"urn:sha256:{case.scan.sha256}"]
    reference = f"bids::{stem}_boldref.nii.gz"
    return {
        f"{stem}_boldref.json": {"Sources": source},
        f"{stem}_desc-brain_mask.json": {
            "Type": "Brain",
            "Method": "" if measured.made is None else measured.made.mask_method,
            "Sources": [reference],
        },
        f"{stem}_space-{template}_boldref.json": {
            "SpatialReference": template,
            "Sources": [reference],
        },
    }


def _finite(value: float) -> float | None:
    return value if value == value else None
