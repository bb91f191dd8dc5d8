"""The explanation of a case: the maps of the recipe, and on request what they are worth.

`analyse` explains every case that has a number. `explain_case` goes on from a case folder: maps
where there are none yet, explanation health, the sensitivity of the number, and a fresh summary.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.analysis.making import with_seconds
from app.core.errors import AppError, ModelError
from app.core.explanation_health import keeps_baselines
from app.core.folders import private_prefix
from app.core.model_wording import NO_EXPLANATION
from app.core.progress import Progress
from app.core.results import Case, Finding, Provenance, Severity, overrides_quality
from app.study.case_store import read_case, update_case, verify_case

if TYPE_CHECKING:
    from app.models.bundle import Bundle

NOT_EXPLAINED = Finding(
    "model.no_explanation",
    Severity.NOTE,
    NO_EXPLANATION,
    "Its number stands without an explanation.",
)
_SECONDS = {"explain": 20.0, "health": 60.0, "sensitivity": 6.0, "report": 6.0}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of `explain_case` beside the maps themselves."""

    health: bool = False
    sensitivity: bool = False
    again: bool = False  # compute what the case already holds once more
    device: str = "auto"
    write_pdf: bool = True


def explain_case(folder: Path, wanted: Wanted, progress: Progress | None = None) -> Case:
    """Explain a finished case and keep the answer in its folder.

    Parameters
    ----------
    folder
        A case folder; it is replaced whole, or left as it was.
    wanted
        What is computed; parts that the case holds are not computed again unless asked for.
    progress
        Told between nodes; a cancel takes hold there and leaves the folder as it was. Announces
        ``case_updated`` with ``case_folder`` at the end.

    Raises
    ------
    AppError
        ``explain.withheld``: no number may be shown, so nothing may be explained;
        ``explain.other_model``: the installed model is not the one that answered;
        ``model.no_gradients``; or whatever the folder, the model or the disk ends with.
    """
    from app.analysis.health import health_of
    from app.analysis.outputs import attribution_files
    from app.analysis.sensitivity import sensitivity_of
    from app.connectome.atlases import load_atlas

    progress = progress or Progress()
    verify_case(folder)
    before = case = read_case(folder)
    bundle = model_of(case)
    todo = _todo(case, wanted)
    progress.set_weights({name: _SECONDS[name] for name in todo})
    files = {}
    if "explain" in todo:
        with progress.stage("explain"):
            case = explained(case, bundle, wanted.device, progress)
        case = with_seconds(case, progress, "explain")
        if case.attribution is None:
            raise ModelError(
                NO_EXPLANATION, "Its number stands without one.", code="model.no_gradients"
            )
        assert case.signals is not None
        files = attribution_files(case, load_atlas(case.signals.atlas).labels_2mm)
    if "health" in todo:
        with progress.stage("health"):
            case = replace(case, health=health_of(case, bundle, wanted.device, progress))
    if "sensitivity" in todo:
        with progress.stage("sensitivity"):
            case = replace(case, sensitivity=sensitivity_of(case, bundle, progress))
    if case is not before:
        folder = update_case(folder, case, files)
        if "report" in todo:
            with progress.stage("report"):
                folder = with_summary(case, folder, progress)
    progress.announce("case_updated", case_folder=str(folder))
    return case


def _todo(case: Case, wanted: Wanted) -> list[str]:
    explain = case.attribution is None or wanted.again
    todo = ["explain"] if explain else []
    # Health of older cases keeps no map of a baseline that could be drawn.
    judged = case.health is not None and keeps_baselines(case.health)
    if wanted.health and (not judged or explain):
        todo.append("health")
    if wanted.sensitivity and (case.sensitivity is None or wanted.again):
        todo.append("sensitivity")
    if todo and wanted.write_pdf and not overrides_quality(case):
        todo.append("report")
    return todo


def model_of(case: Case) -> Bundle:
    """The installed model that gave a case its number.

    Raises
    ------
    AppError
        As `explain_case`.
    """
    from app.models.bundle import load_bundle

    prediction = case.prediction
    if prediction is None or not has_number(case) or prediction.model is None:
        raise AppError(
            "Nothing can be explained: this case shows no number.",
            "The reason stands on its prediction card.",
            code="explain.withheld",
        )
    bundle = load_bundle(prediction.model.model_id)
    if bundle.weights_sha256 != prediction.model.weights_sha256:
        raise ModelError(
            "The installed model is not the one that gave this case its number.",
            "Analyse the scan again with the installed model.",
            code="explain.other_model",
        )
    return bundle


def explained(case: Case, bundle: Bundle, device: str, progress: Progress) -> Case:
    """The case with both attributions, or with the finding that its model gives none."""
    from app.attribution.explain import explain

    assert case.signals is not None
    assert case.connectome is not None
    attribution, used, notes = bundle.explain_with_notes(
        lambda functions: explain(functions, patch_frames=patch_frames(bundle), progress=progress),
        case.signals,
        case.connectome,
        device=device,
    )
    new = tuple(note for note in notes if note not in {f.message for f in case.findings})
    findings = (*case.findings, *fallback_findings(new))
    if attribution is None:
        findings = (*findings, NOT_EXPLAINED)
    assert case.provenance is not None
    parameters = {**case.provenance.parameters, "explanation_device": used}
    parameters["device_notes"] = [*_device_notes(case.provenance), *new]
    provenance = replace(case.provenance, parameters=parameters)
    return replace(case, attribution=attribution, findings=findings, provenance=provenance)


def patch_frames(bundle: Bundle) -> int:
    """Frames of one token of the series encoder; 0 where there is none."""
    encoder = bundle.card.fields.encoder
    config = {} if encoder is None else encoder.config
    found = config.get("timepoint_patching_size") or config.get("patch_size") or 0
    return int(found) if isinstance(found, (int, float)) else 0


def _device_notes(provenance: Provenance) -> list[object]:
    found = provenance.parameters.get("device_notes")
    return list(found) if isinstance(found, list) else []


def fallback_findings(notes: tuple[str, ...]) -> tuple[Finding, ...]:
    """What the device did otherwise than asked stands among the findings, not in a log only."""
    return tuple(
        Finding(
            "model.device_fallback",
            Severity.NOTE,
            note,
            "The answer is the one of the device named last; choose another in the settings.",
        )
        for note in notes
    )


def has_number(case: Case) -> bool:
    """Whether a probability was computed and may be shown."""
    return case.prediction is not None and case.prediction.probability is not None


def summary_path(case: Case, folder: Path) -> Path:
    """Where the participant summary of a case lies."""
    return folder / f"{case.stem()}_desc-summary.pdf"


def with_summary(case: Case, folder: Path, progress: Progress) -> Path:
    """Write the PDF and its HTML twin from the folder itself, then put them into it."""
    from app.reporting.html import write_html
    from app.reporting.report import write_summary

    with tempfile.TemporaryDirectory(prefix=private_prefix()) as private:
        name = summary_path(case, folder).name
        pdf = write_summary(
            case, folder, Path(private) / name, told=lambda done: progress.step(0.5 * done)
        )
        html = write_html(
            case,
            folder,
            (Path(private) / name).with_suffix(".html"),
            told=lambda done: progress.step(0.5 + 0.4 * done),
        )
        progress.step(0.95)
        return update_case(folder, case, {pdf.name: pdf, html.name: html})
