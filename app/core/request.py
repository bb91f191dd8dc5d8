"""What is asked of the recipe: plain frozen data, the same for window, command line and cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """One scan to analyse and how.

    `out_dir` receives ``<case_id>/``. `threads` must not change the answer. With
    `research` set, a number is computed even where a gate withholds it, and everything that
    shows it is stamped.
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
    repetition_time_s: float | None = None  # stated by the user where the file has none
    research: bool = False
    device: str = "auto"  # "auto", "cuda", "mps", "cpu"
    threads: int = 0  # 0 = all cores
    seed: int = 0
    attribution: bool = True
    write_pdf: bool = True
    series: str = ""  # key, number or UID of a DICOM series
    confounds_path: Path | None = None  # the table that the user chose for an fMRIPrep run
    atlas: str = ""  # of parcel series whose file does not say
