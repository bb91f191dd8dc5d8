"""The frozen results that travel: from a scan on disk to a case with its prediction.

Every result is immutable, its arrays are read-only, and a `Case` grows only by
`dataclasses.replace`. Units sit in the names. Frames count from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from app.core.arrays import Bools, Floats
from app.core.explanation_health import ExplanationHealth, Sensitivity

PREPROCESSING = "preprocessing"  # key of the record of steps in `Provenance.parameters`
REQUEST = "request"  # key of what was asked, without any place, in the same
CENSORED = "censored_frames"  # key in `Provenance.parameters`: volumes left out by hand
PARCEL_SPACE = "parcel series"
# fMRIPrep's names of the columns of `Motion.parameters`.
MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


class Severity(StrEnum):
    """How much a finding matters."""

    NOTE = "note"
    WARNING = "warning"
    BLOCKING = "blocking"  # no number is shown


class Verdict(StrEnum):
    """What one quality metric, or all together, allow."""

    PASS = "pass"
    ATTENTION = "attention"  # a number is shown, with the reason beside it
    WITHHELD = "withheld"  # no number is shown


class Outcome(StrEnum):
    """What a case may say about response."""

    RESULT = "result"
    INCONCLUSIVE = "inconclusive"  # the interval spans the cut-off: a normal outcome
    WITHHELD = "withheld"  # a gate failed: no number anywhere


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was noticed, what it means, and what to do."""

    code: str  # stable, e.g. "scan.tr_disagrees"
    severity: Severity
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Participant:
    """Who was scanned, as far as this program may know: a pseudonym and covariates."""

    uuid: str  # random, given at import; the only identity used inside
    label: str  # pseudonym, e.g. "sub-01"
    session: str = ""  # e.g. "ses-1", empty if none
    age_years: float | None = None
    sex: str | None = None  # "F", "M", "O" or None
    baseline_pain: float | None = None  # 0..10 numerical rating
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """One 4-D run on disk, described; the voxels stay on disk."""

    sha256: str  # of the file's bytes as they lie on disk
    shape: tuple[int, int, int, int]  # after reorientation to RAS+
    voxel_size_mm: tuple[float, float, float]
    affine: Floats  # (4, 4), RAS+ voxel -> mm
    repetition_time_s: float
    repetition_time_source: str  # "sidecar", "header", "user", "DICOM header"
    storage_orientation: str  # axis codes as stored, e.g. "LAS"
    sform_code: int
    qform_code: int
    stored_dtype: str
    space: str  # "scanner", a template name (already preprocessed) or PARCEL_SPACE
    task: str  # "rest" if known
    simulated: bool  # written by this program's simulator (sidecar says so)
    scanner: str  # manufacturer and model, or ""
    field_strength_t: float | None
    slice_times_s: tuple[float, ...] = ()

    @property
    def is_image(self) -> bool:
        """False where only parcel series were opened: there is no grid and no picture."""
        return self.space != PARCEL_SPACE

    @property
    def orientation_known(self) -> bool:
        """False for an image whose header gives no orientation: left and right are unknown.

        Parcel series without an image have the sides of their atlas.
        """
        return not self.is_image or self.sform_code > 0 or self.qform_code > 0


@dataclass(frozen=True, slots=True)
class Motion:
    """Head motion of each frame, relative to the reference volume.

    `parameters` are fMRIPrep's: trans_x, trans_y, trans_z in mm and rot_x, rot_y, rot_z in
    radians: the rigid map that takes a point of the reference head to where that point lies in
    the frame, scanner RAS+ mm, rotations about `centre_mm` (R = Rz Ry Rx).
    """

    parameters: Floats  # (frame, 6)
    centre_mm: Floats  # (3,)
    framewise_displacement_mm: Floats  # (frame,), Power; first is NaN
    framewise_displacement_jenkinson_mm: Floats  # (frame,), first is NaN
    residual_cost: Floats  # (frame,)
    reference_frame: int
    uncertain_frames: tuple[int, ...] = ()  # could not be aligned with confidence
    retried_frames: tuple[int, ...] = ()  # aligned again through heavy smoothing
    fallback_frames: tuple[int, ...] = ()  # aligned by ants in the end
    device: str = "cpu"  # where they were aligned


@dataclass(frozen=True, slots=True)
class CleanSignals:
    """Parcel time series before and after nuisance regression."""

    atlas: str
    template: str
    parcel_names: tuple[str, ...]
    networks: tuple[str, ...]  # one name a parcel
    hemispheres: tuple[str, ...]  # "L", "R" or "M" a parcel
    centroids_mm: Floats  # (parcel, 3), template mm
    raw: Floats  # (frame, parcel), scanner units, motion-corrected, before cleaning
    cleaned: Floats  # (frame, parcel), in `units`
    good_frames: Bools  # (frame,), False = flagged (interpolated, not used for connectivity)
    coverage: Floats  # (parcel,), 0..1 share of sample points inside field of view and mask
    repetition_time_s: float
    first_frame: int  # index in the file of row 0 here (non-steady frames before it removed)
    preset: str
    residual_degrees_of_freedom: float
    confounds: dict[str, Floats]  # fMRIPrep column names -> (frame,)
    units: str = "percent"  # of `cleaned`: percent of the parcel's mean, or "scanner"
    confound_facts: dict[str, object] = field(default_factory=dict)  # column -> how it was made
    atlas_sha256: str = ""  # of the atlas's own files; empty = not known


@dataclass(frozen=True, slots=True)
class QualityMetric:
    """One measured value, its limit, and what that means."""

    name: str  # machine name, e.g. "mean_fd_power_mm"
    label: str  # e.g. "Mean framewise displacement (Power)"
    value: float
    unit: str
    limit: str  # e.g. "pass <= 0.25, withheld > 0.5"
    source: str  # where the limit comes from
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class QualityReport:
    """All metrics and the worst verdict among them."""

    metrics: tuple[QualityMetric, ...]
    verdict: Verdict
    table_version: str
    informing: tuple[QualityMetric, ...] = ()  # measured and shown, without a limit


@dataclass(frozen=True, slots=True)
class Connectome:
    """Parcel-to-parcel connectivity, in the atlas's own parcel order."""

    kind: str  # "pearson"; or "gram": X X' of raw series, no correlation, its diagonal kept
    matrix: Floats  # (parcel, parcel), symmetric, diagonal 0; NaN rows = parcel not covered
    frame_count: int  # frames that went in


@dataclass(frozen=True, slots=True)
class Novelty:
    """How far this participant lies from those the model was made from."""

    percentile: float  # 0..100, among the training participants (leave-one-out)
    limit: float
    nearest: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What a number must never be shown without."""

    model_id: str
    weights_sha256: str
    drug: str
    responder_definition: str
    population: str
    training_count: int
    base_rate: float
    cutoff: float
    cutoff_source: str  # "pre-registered" or "chosen on data"
    auroc: float
    auroc_interval: tuple[float, float]
    covariate_auroc: float
    simulated: bool  # made from simulated people
    limits: tuple[str, ...]
    score_edges: Floats  # (bin + 1,), held-out probability histogram
    score_counts_responder: Floats  # (bin,)
    score_counts_non_responder: Floats  # (bin,)
    # Cases written before card format 2 do not have the following.
    mode: str = ""  # "corrected" or "faithful"
    dose_and_route: str = ""
    arm: str = ""
    comparator: str = ""
    time_point: str = ""
    control_arm_modelled: bool = False
    estimand: str = ""
    rescue_medication: str = ""
    drop_out: str = ""
    gain_interval: tuple[float, float] | None = None  # AUROC over the best covariate-only rival
    card_sha256: str = ""
    interval_method: str = ""  # what the 95 % interval is made from
    external_test: str = ""  # "none" or what it was


@dataclass(frozen=True, slots=True)
class ConformalSet:
    """Which classes a probability leaves open, at a nominal level; goes with a number only."""

    responder: bool
    non_responder: bool
    level: float
    coverage_range: tuple[float, float]  # 95 %, of the coverage that the calibration allows
    calibration_people: int  # of the smaller class


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer of one model, or the reasons why there is none."""

    outcome: Outcome
    reasons: tuple[str, ...]  # why withheld or inconclusive; what would lift it
    model: ModelSummary | None  # None when no model is installed for this scan
    probability: float | None  # calibrated; None when withheld
    interval: tuple[float, float] | None  # 95 %
    log_odds: float | None  # uncalibrated
    log_odds_windows: Floats | None  # (window,)
    covariate_probability: float | None  # age, sex, motion, baseline pain only
    contributions: dict[str, float] | None  # modality -> signed log-odds, sums with "bias"
    novelty: Novelty | None
    research_only: bool = False  # computed by override: stamp every view and export
    contributions_exact: bool = True  # False: Shapley values, since the inputs interact
    conformal: ConformalSet | None = None  # None when withheld, and for models without one


@dataclass(frozen=True, slots=True)
class BranchAttribution:
    """What one input moved the uncalibrated log-odds by; signed, in log-odds."""

    method: str
    per_parcel_series: Floats  # (parcel,)
    per_parcel_frame: Floats  # (parcel, frame), resolution no finer than the patch
    per_connection: Floats  # (parcel, parcel), symmetric
    completeness_error: float  # |sum - (f(x) - f(baseline))|, log-odds
    output_difference: float  # f(x) - f(baseline), log-odds
    nodes: int
    converged: bool  # the sum is right and two successive maps agree
    map_change: float | None = None  # share by which the last two maps differ; None = not known

    @property
    def per_parcel(self) -> Floats:
        """Series plus half of each touching connection, shape (parcel,)."""
        touching: Floats = self.per_connection.sum(axis=1)
        return self.per_parcel_series + 0.5 * touching


@dataclass(frozen=True, slots=True)
class Attribution:
    """Both views of what moved the prediction; never a cause."""

    target: str
    branches: BranchAttribution  # (a) what each branch used, inputs treated as independent
    scan: BranchAttribution  # (b) what in the scan mattered, connectivity recomputed
    agreement: float  # Spearman correlation over parcels between (a) and (b)
    disagreeing: Bools  # (parcel,), the two differ in sign or rank: hatched
    reference: str  # which reference series and matrix
    patch_frames: int = 0  # frames of one token: no map in time is finer; 0 = not known


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a case was made; enough to make it again."""

    app_version: str
    versions: dict[str, str]
    device: str
    threads: int
    seeds: dict[str, int]
    parameters: dict[str, object]
    hashes: dict[str, str]  # atlas, template, weights, scan
    stage_seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One scan's whole answer; on disk it is a folder of the same content.

    Later fields are None until their stage is done, so the prediction can be shown before the
    attribution is ready.
    """

    case_id: str
    participant: Participant
    scan: Scan
    findings: tuple[Finding, ...] = ()
    motion: Motion | None = None
    signals: CleanSignals | None = None
    quality: QualityReport | None = None
    connectome: Connectome | None = None
    prediction: Prediction | None = None
    attribution: Attribution | None = None
    provenance: Provenance | None = None
    health: ExplanationHealth | None = None  # of the attribution, on request
    sensitivity: Sensitivity | None = None  # marked variants of the number, on request

    def stem(self) -> str:
        """File-name stem of everything in the case folder: ``sub-…[_ses-…]_task-rest``."""
        parts = [self.participant.label]
        if self.participant.session:
            parts.append(self.participant.session)
        parts.append(f"task-{self.scan.task or 'rest'}")
        return "_".join(parts)


def overrides_quality(case: Case) -> bool:
    """Whether a number stands although quality withholds it: such a case gets no summary."""
    prediction, quality = case.prediction, case.quality
    return (
        prediction is not None
        and prediction.research_only
        and quality is not None
        and quality.verdict is Verdict.WITHHELD
    )
