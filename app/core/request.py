"""What is asked of the recipe: plain frozen data, the same for window, command line and cohort."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LONGEST_REASON = 400  # characters of `AnalysisRequest.override_reason` that are kept


@dataclass(frozen=True, slots=True)
class Question:
    """What the user says the number shall be about; "" = whatever the model answers.

    Compared with the model's card word for word (case and spaces apart); a mismatch is refused.
    """

    drug: str = ""
    arm: str = ""
    time_point: str = ""
    responder_definition: str = ""


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """One scan to analyse and how.

    `out_dir` receives ``<case_id>/``. `threads` must not change the answer. With
    `research` set, a number is computed even where a gate withholds it, and everything that
    shows it is stamped; a verdict on quality is overruled only with a reason, which is recorded,
    and such a case gets no participant summary.

    Of who was scanned, what is stated here counts before what lies beside the scan; None or ""
    leaves it to that, and a name in `cleared` says that nothing is known of it.
    """

    scan_path: Path  # a file, or the folder of a DICOM series
    out_dir: Path
    model_id: str = "simulated-demo"
    participant_label: str = ""  # "" = taken from the file name or "sub-unnamed"
    session: str = ""
    participant_uuid: str = ""  # "" = a new one
    age_years: float | None = None
    sex: str | None = None
    baseline_pain: float | None = None
    site: str | None = None
    cleared: tuple[str, ...] = ()  # names of fields: what the scan says of them is void
    repetition_time_s: float | None = None  # stated by the user where the file has none
    censored_frames: tuple[int, ...] = ()  # of the file (first = 0), left out by hand
    t1_path: Path | None = None  # T1-weighted image of the same participant
    research: bool = False
    override_reason: str = ""  # why, in research mode, a withheld quality verdict is overruled
    device: str = "auto"  # "auto", "cuda", "mps", "cpu"
    threads: int = 0  # 0 = all cores
    seed: int = 0
    stage_cache: bool = False  # recall and keep stages in the user's cache; never changes a bit
    write_mni_bold: bool = False  # the whole run in the template, a large file
    attribution: bool = True
    write_pdf: bool = True
    question: Question = field(default_factory=Question)
    series: str = ""  # key, number or UID of a DICOM series
    confounds_path: Path | None = None  # the table that the user chose for an fMRIPrep run
    atlas: str = ""  # of parcel series whose file does not say


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """Parcel series to encode and how; None or "" leaves a choice to the encoder's contract."""

    series_path: Path
    out_path: Path  # .npz
    encoder: str = "simulated-demo"  # id, or the absolute path of a checkpoint folder
    coordinates_path: Path | None = None
    statistics_path: Path | None = None
    normalisation: str | None = None
    repetition_time_policy: str | None = None
    repetition_time_s: float | None = None  # stated by the user where the file has none
    short_scans: str | None = None
    maximum_missing_parcels: int | None = None
    token_order: str | None = None
    with_patches: bool = True
    precision: str = "float32"
    device: str = "auto"  # "auto", "cuda", "mps", "cpu"
    batch: int = 0  # windows at a time; 0 = one on the CPU, several on an accelerator
