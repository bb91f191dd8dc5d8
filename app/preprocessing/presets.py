"""The cleaning presets: fixed filters and regressors, each part of a model's contract.

Two families. *cleaned* is for models that are made from it: regression, filter, percent of the
parcel's mean, Pearson connectivity of the frames that count. *asTrained* repeats the input of
published pipelines that do none of this: raw scanner units, the mean of every voxel with the
parcel's label (those outside the field of view count as 0), every frame, and X X' of the same
raw series. A model is fed only the preset it was made with; too few degrees of freedom are
judged, never answered with another filter for this person (a filter that depends on a person's
motion would be a confound).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from app.core.errors import PreprocessingError
from app.core.provenance import record_sha256
from app.core.results import MOTION_COLUMNS

MOTION_24 = tuple(
    f"{name}{suffix}"
    for name in MOTION_COLUMNS
    for suffix in ("", "_derivative1", "_power2", "_derivative1_power2")
)
SIMPLE = (*MOTION_24, "white_matter", "csf")  # nilearn's "simple" strategy
SPIKE_FD_MM, SPIKE_STD_DVARS = 0.5, 1.5  # fMRIPrep, nilearn


@dataclass(frozen=True, slots=True)
class CleaningPreset:
    """A fixed filter and fixed regressors: part of a model's contract, the same for everyone."""

    name: str  # letters, digits, hyphen
    regressors: tuple[str, ...]  # fMRIPrep column names
    high_pass_hz: float | None
    low_pass_hz: float | None
    flag_fd_power_mm: float
    flag_std_dvars: float
    family: str = "cleaned"  # or "asTrained"
    slice_timing: bool = False
    trimmed: bool = True  # frames before the steady state are left out, else only flagged
    units: str = "percent"  # of the parcel's mean; or "scanner"
    parcel_mean: str = "covered"  # of covered points; or "all" points of the label
    connectivity: str = "pearson"  # of the frames that count; or "gram": X X' of all frames

    @property
    def sha256(self) -> str:
        """Hash of everything that the preset fixes."""
        return record_sha256(asdict(self))

    @property
    def description(self) -> str:
        """The name of BIDS's ``desc-`` entity: the family's."""
        return self.family


PRESETS = (
    CleaningPreset("simple-highpass", SIMPLE, 0.01, None, SPIKE_FD_MM, SPIKE_STD_DVARS),
    CleaningPreset("cleaned", SIMPLE, 0.01, None, SPIKE_FD_MM, SPIKE_STD_DVARS, slice_timing=True),
    CleaningPreset(
        "cleaned-gsr",
        (*SIMPLE, "global_signal"),
        0.01,
        None,
        SPIKE_FD_MM,
        SPIKE_STD_DVARS,
        slice_timing=True,
    ),
    CleaningPreset(
        "cleaned-bandpass", SIMPLE, 0.01, 0.1, SPIKE_FD_MM, SPIKE_STD_DVARS, slice_timing=True
    ),
    CleaningPreset(
        "cleaned-bandpass-gsr",
        (*SIMPLE, "global_signal"),
        0.01,
        0.1,
        SPIKE_FD_MM,
        SPIKE_STD_DVARS,
        slice_timing=True,
    ),
    CleaningPreset("none", (), None, None, SPIKE_FD_MM, SPIKE_STD_DVARS),
    CleaningPreset(
        "asTrained",
        (),
        None,
        None,
        SPIKE_FD_MM,
        SPIKE_STD_DVARS,
        family="asTrained",
        slice_timing=True,
        trimmed=False,
        units="scanner",
        parcel_mean="all",
        connectivity="gram",
    ),
)


def find_preset(name: str) -> CleaningPreset:
    """Return the preset of that name.

    Raises
    ------
    PreprocessingError
        When no preset has it.
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise PreprocessingError(
        f"There is no cleaning preset named '{name}'.",
        "Use one of: " + ", ".join(preset.name for preset in PRESETS) + ".",
        code="preprocessing.preset",
    )
