"""A small case whose numbers are easy to find again, and its view files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from app.core.arrays import frozen
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

NETWORKS = ("Default", "Default", "Visual", "Visual", "Thalamus", "Thalamus", "Limbic", "Limbic")
SIDES = ("L", "R") * 4
PARCELS = 8
FRAMES = 37
SHAPE = (20, 23, 18)  # unequal sides
AFFINE = np.array([[4.0, 0, 0, -38], [0, 4, 0, -50], [0, 0, 4, -30], [0, 0, 0, 1]])
CANARIES = ("CANARYHOME", "CANARYNAME", "CANARYFOLDER", "CANARYHINT")


def parcel_boxes() -> np.ndarray:
    """Labels 1..8: each parcel a box, odd parcels left (x < 0), even ones right."""
    labels = np.zeros(SHAPE, dtype=np.int16)
    for parcel in range(PARCELS):
        x = slice(3, 9) if parcel % 2 == 0 else slice(11, 17)
        y = slice(2 + 5 * (parcel // 2), 6 + 5 * (parcel // 2))
        labels[x, y, 3:15] = parcel + 1
    return labels


def write_view(folder: Path) -> None:
    """All view files of `small_case` below ``folder/view``."""
    view = folder / "view"
    view.mkdir(parents=True)
    labels = parcel_boxes()
    rng = np.random.default_rng(3)
    template = np.zeros(SHAPE, dtype=np.uint8)
    template[2:18, 1:22, 2:16] = rng.integers(60, 220, (16, 21, 14))
    np.save(view / "template.npy", template)
    np.save(view / "boldref.npy", template.astype(np.float32) * 1.3)
    np.save(view / "labels.npy", labels)
    (view / "view.json").write_text(json.dumps({"affine": AFFINE.tolist(), "template": "T"}))
    np.savez(view / "surface.npz", **surfaces())
    rows = np.argsort(NETWORKS, kind="stable").astype(np.int16)
    np.save(view / "carpet_rows.npy", rows)
    for name in ("before", "after"):
        np.save(view / f"carpet_{name}.npy", rng.standard_normal((PARCELS, FRAMES), np.float32))


def surfaces() -> dict[str, np.ndarray]:
    """Two octahedra; the front half of each belongs to one parcel, the back half to another."""
    points = np.array(
        [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float32
    )
    faces = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]],
        dtype=np.int32,
    )
    result: dict[str, np.ndarray] = {}
    for side, shift, parcel in (("left", -30.0, 1), ("right", 30.0, 2)):
        vertices = points * 25 + np.array([shift, 0, 0], dtype=np.float32)
        result |= {
            f"pial_{side}": vertices,
            f"inflated_{side}": vertices,
            f"faces_{side}": faces,
            f"sulc_{side}": points[:, 1],
            f"labels_{side}": np.full(6, parcel, dtype=np.int16),
        }
    return result


def small_case() -> Case:
    """A simulated, inconclusive case; the numbers of its prediction occur nowhere else."""
    rng = np.random.default_rng(11)
    displacement = np.abs(rng.normal(0.1, 0.03, FRAMES))
    displacement[0], displacement[20] = np.nan, 0.9
    good = np.ones(FRAMES, dtype=bool)
    good[20] = False
    series = rng.standard_normal((FRAMES, PARCELS))
    matrix = np.corrcoef(series[good].T)
    np.fill_diagonal(matrix, 0.0)
    per_parcel = np.array([0.31, -0.22, 0.05, -0.04, 0.2, 0.01, -0.15, 0.02])
    edges = np.zeros((PARCELS, PARCELS))
    edges[0, 4] = edges[4, 0] = 0.03
    edges[2, 7] = edges[7, 2] = -0.02
    branch = BranchAttribution(
        "expected gradients",
        frozen(per_parcel),
        frozen(np.repeat(per_parcel[:, None] / FRAMES, FRAMES, axis=1)),
        frozen(edges),
        0.004,
        0.55,
        16,
        True,
    )
    disagreeing = np.zeros(PARCELS, dtype=bool)
    disagreeing[6] = True
    return Case(
        case_id="ab12" * 4,
        participant=Participant(
            "5f0c2b1a-0000-4000-8000-000000000001", "sub-0042", "ses-visit2", 51.0, "F", 6.0, "A"
        ),
        scan=Scan(
            sha256="d1ce" * 16,
            shape=(64, 61, 36, FRAMES + 3),
            voxel_size_mm=(3.4, 3.4, 4.0),
            affine=frozen(np.eye(4)),
            repetition_time_s=2.0,
            repetition_time_source="sidecar",
            storage_orientation="LAS",
            sform_code=1,
            qform_code=1,
            stored_dtype="int16",
            space="scanner",
            task="rest",
            simulated=True,
            scanner="Simulated",
            field_strength_t=3.0,
        ),
        findings=(
            Finding(
                "scan.note",
                Severity.NOTE,
                r"Read from C:\Users\CANARYNAME\scan.nii.gz without trouble.",
                "See ~/CANARYHINT/log.txt for more.",
            ),
        ),
        motion=Motion(
            frozen(np.zeros((FRAMES, 6))),
            frozen(np.zeros(3)),
            frozen(displacement),
            frozen(displacement),
            frozen(np.ones(FRAMES)),
            4,
        ),
        signals=CleanSignals(
            "Boxes",
            "T",
            tuple(f"Box_{n}_{side}" for n, side in enumerate(SIDES)),
            NETWORKS,
            SIDES,
            frozen(
                np.array(
                    [[(-18.0 if p % 2 == 0 else 14.0), -36.0 + 20 * (p // 2), 4] for p in range(8)]
                )
            ),
            frozen(series * 5 + 900),
            frozen(series),
            frozen(good),
            frozen(np.ones(PARCELS)),
            2.0,
            3,
            "simple-highpass",
            20.0,
            {"std_dvars": frozen(np.ones(FRAMES))},
        ),
        quality=QualityReport(
            (
                QualityMetric(
                    "mean_fd_power_mm",
                    "Mean framewise displacement (Power)",
                    0.118,
                    "mm",
                    "pass <= 0.25, withheld > 0.5",
                    "model card",
                    Verdict.PASS,
                ),
                QualityMetric(
                    "tsnr_median", "Median tSNR", 55.0, "", "pass >= 30", "card", Verdict.PASS
                ),
            ),
            Verdict.PASS,
            "1",
        ),
        connectome=Connectome("pearson", frozen(matrix), int(good.sum())),
        prediction=Prediction(
            outcome=Outcome.INCONCLUSIVE,
            reasons=("The interval spans the cut-off.",),
            model=ModelSummary(
                model_id="simulated-demo",
                weights_sha256="beef" * 16,
                drug="Simulated treatment X",
                responder_definition="simulated pain falls by 30 % or more.",
                population="simulated adults",
                training_count=160,
                base_rate=0.42,
                cutoff=0.5,
                cutoff_source="pre-registered",
                auroc=0.74,
                auroc_interval=(0.68, 0.8),
                covariate_auroc=0.53,
                simulated=True,
                limits=("No external test.",),
                score_edges=frozen(np.linspace(0, 1, 11)),
                score_counts_responder=frozen(np.arange(10.0)),
                score_counts_non_responder=frozen(np.arange(10.0)[::-1]),
            ),
            probability=0.5791,
            interval=(0.4377, 0.7163),
            log_odds=0.91827,
            log_odds_windows=frozen(np.array([0.81726, 1.01928])),
            covariate_probability=0.3849,
            contributions={"series": 0.61394, "connectivity": 0.40615, "bias": -0.10182},
            novelty=Novelty(33.0, 95.0, "site-A", Verdict.PASS),
            conformal=ConformalSet(True, True, 0.8725, (0.73195, 0.96417), 19),
        ),
        attribution=Attribution(
            "log-odds", branch, branch, 0.87, frozen(disagreeing), "mean of 8 references"
        ),
        provenance=Provenance(
            "0.1.0",
            {"numpy": "2.0", "platform": "Linux"},
            "cpu",
            2,
            {"run": 0},
            {
                "input": "/home/CANARYHOME/sub-0042/bold.nii.gz",
                "spike_fd_mm": 0.5,
                "finished_utc": "2026-01-02T03:04:05Z",
            },
            {"atlas": "a1" * 32, "scan": "d1ce" * 16},
            {"motion": 1.5},
        ),
    )


WITHHELD_NUMBERS = (
    "0.5791", "58 %", "0.4377", "44 to", "0.7163", "72 %", "0.91827", "0.92", "0.81726", "1.01928",
    "0.8725", "87 %", "{both}", "0.73195", "0.96417", "0.3849",
    "38 %", "0.61394", "0.61", "0.40615", "0.41", "0.10182",
)  # fmt: skip


def orientation_unknown(case: Case) -> Case:
    """The same scan from a file whose header gives no orientation, so withheld."""
    scan = dataclasses.replace(case.scan, sform_code=0, qform_code=0, storage_orientation="RAS")
    return dataclasses.replace(withheld(case), scan=scan)


def withheld(case: Case) -> Case:
    """The same case failing a gate, with its numbers carelessly left inside."""
    assert case.quality is not None
    assert case.prediction is not None
    failed = dataclasses.replace(case.quality.metrics[0], value=0.777, verdict=Verdict.WITHHELD)
    return dataclasses.replace(
        case,
        quality=QualityReport((failed, case.quality.metrics[1]), Verdict.WITHHELD, "1"),
        prediction=dataclasses.replace(
            case.prediction, outcome=Outcome.WITHHELD, reasons=("Too much head motion.",)
        ),
    )
