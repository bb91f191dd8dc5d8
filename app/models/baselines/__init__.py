"""Every rival that a model of response is judged against, as one readable tuple.

A rival is a `ResponseModel`. To add one: a file beside this one, one entry in `BASELINES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.core.errors import ModelError
from app.models.baselines.connectome_predictive import ConnectomePredictive
from app.models.baselines.covariates import CovariateLogistic
from app.models.baselines.encoder_logistic import ClsCache, EncoderLogistic, FrozenEncoder
from app.models.baselines.majority import Majority
from app.models.baselines.network_response import MatrixNetwork, NetworkSettings, SeriesNetwork
from app.models.baselines.pearson import PearsonLinear
from app.models.baselines.rival import Rival
from app.models.baselines.storage import read_stored
from app.models.baselines.tangent import TangentLinear
from app.models.baselines.training_loop import Training
from app.models.baselines.volumes import VolumeLogistic
from app.models.covariates import NAMES


@dataclass(frozen=True, slots=True)
class Study:
    """What a cohort offers to its rivals."""

    covariates: tuple[str, ...] = NAMES  # columns of the table, in order
    declared: tuple[str, ...] = ()  # further columns, vouched for as measured before treatment
    encoder: FrozenEncoder | None = None
    cache: Path | ClsCache | None = None  # of frozen features, a folder or one to be shared
    window_frames: int = 100  # of the networks on series
    training: Training = field(default_factory=Training)

    def network(self, architecture: str, width: int, *, windows: bool = False) -> NetworkSettings:
        """Settings of one network."""
        frames = self.window_frames if windows else 0
        return NetworkSettings(architecture, width, self.training, frames)

    def columns(self, *used: str) -> CovariateLogistic:
        """Some named columns; all of them when none is named."""
        return CovariateLogistic(self.covariates, used or self.covariates, self.declared)


@dataclass(frozen=True, slots=True)
class Baseline:
    """One entry: `make` gives a fresh, unfitted model, or refuses in one sentence."""

    id: str
    label: str
    description: str
    inputs: str  # "none", "covariates", "connectivity", "series" or "volumes"
    make: Callable[[Study], Rival]


BASELINES = (
    Baseline(
        "majority",
        "Base rate",
        "Gives everybody the share of responders among the training people.",
        "none",
        lambda study: Majority(),
    ),
    Baseline(
        "age",
        "Age",
        "Logistic regression on age alone.",
        "covariates",
        lambda study: study.columns("age_years"),
    ),
    Baseline(
        "age-sex",
        "Age and sex",
        "Logistic regression on age and sex.",
        "covariates",
        lambda study: study.columns("age_years", "sex_female"),
    ),
    Baseline(
        "motion",
        "Motion",
        "Logistic regression on mean framewise displacement alone.",
        "covariates",
        lambda study: study.columns("mean_fd_mm"),
    ),
    Baseline(
        "age-sex-motion",
        "Age, sex, motion",
        "Logistic regression on age, sex and mean framewise displacement.",
        "covariates",
        lambda study: study.columns("age_years", "sex_female", "mean_fd_mm"),
    ),
    Baseline(
        "baseline-pain",
        "Baseline pain",
        "Logistic regression on pain before treatment alone.",
        "covariates",
        lambda study: study.columns("baseline_pain"),
    ),
    Baseline(
        "covariates",
        "All covariates",
        "Logistic regression on every allowed column that was known before treatment.",
        "covariates",
        lambda study: study.columns(),
    ),
    Baseline(
        "pearson-logistic",
        "Pearson, logistic",
        "L2 logistic regression on Fisher-z Pearson connectivity.",
        "connectivity",
        lambda study: PearsonLinear("logistic"),
    ),
    Baseline(
        "pearson-ridge",
        "Pearson, ridge",
        "Ridge regression of the outcome on Fisher-z Pearson connectivity.",
        "connectivity",
        lambda study: PearsonLinear("ridge"),
    ),
    Baseline(
        "pearson-svm",
        "Pearson, SVM",
        "Linear support vector machine on Fisher-z Pearson connectivity.",
        "connectivity",
        lambda study: PearsonLinear("svm"),
    ),
    Baseline(
        "tangent-logistic",
        "Tangent, logistic",
        "L2 logistic regression on tangent-space connectivity.",
        "connectivity",
        lambda study: TangentLinear("logistic"),
    ),
    Baseline(
        "tangent-ridge",
        "Tangent, ridge",
        "Ridge regression of the outcome on tangent-space connectivity.",
        "connectivity",
        lambda study: TangentLinear("ridge"),
    ),
    Baseline(
        "tangent-svm",
        "Tangent, SVM",
        "Linear support vector machine on tangent-space connectivity.",
        "connectivity",
        lambda study: TangentLinear("svm"),
    ),
    Baseline(
        "connectome-predictive",
        "Connectome-based predictive modelling",
        "Logistic regression on sums over connections that go with the outcome in training people.",
        "connectivity",
        lambda study: ConnectomePredictive(),
    ),
    Baseline(
        "encoder-logistic",
        "Encoder, logistic",
        "L2 logistic regression on the CLS token of a frozen encoder.",
        "series",
        lambda study: EncoderLogistic(study.encoder, study.cache),
    ),
    Baseline(
        "volumes-logistic",
        "Volumes, logistic",
        "L2 logistic regression on 45 FreeSurfer volumes.",
        "volumes",
        lambda study: VolumeLogistic(),
    ),
    Baseline(
        "brainnetcnn",
        "BrainNetCNN",
        "Edge-to-edge, edge-to-node and node-to-graph convolutions on the matrix.",
        "connectivity",
        lambda study: MatrixNetwork(study.network("brainnetcnn", 32)),
    ),
    Baseline(
        "brain-network-transformer",
        "Brain Network Transformer",
        "Self-attention among rows of the matrix with an orthonormal clustering readout.",
        "connectivity",
        lambda study: MatrixNetwork(study.network("brain-network-transformer", 100)),
    ),
    Baseline(
        "series-convolutional",
        "Convolutional, series",
        "Temporal convolutions on windows of the parcel series, trained from scratch.",
        "series",
        lambda study: SeriesNetwork(study.network("convolutional", 32, windows=True)),
    ),
    Baseline(
        "series-recurrent",
        "Recurrent, series",
        "A gated recurrent unit on windows of the parcel series, trained from scratch.",
        "series",
        lambda study: SeriesNetwork(study.network("recurrent", 32, windows=True)),
    ),
    Baseline(
        "series-transformer",
        "Transformer, series",
        "A transformer with one token a frame on windows of the parcel series, from scratch.",
        "series",
        lambda study: SeriesNetwork(study.network("transformer", 32, windows=True)),
    ),
)

RIVALS: tuple[type[Rival], ...] = (
    Majority,
    CovariateLogistic,
    PearsonLinear,
    TangentLinear,
    ConnectomePredictive,
    EncoderLogistic,
    VolumeLogistic,
    MatrixNetwork,
    SeriesNetwork,
)


def load_rival(path: Path) -> Rival:
    """Read any stored rival by the kind that its file names.

    Raises
    ------
    ModelError
        When the file is damaged or holds a kind that is not known here.
    """
    kind = read_stored(path).kind
    for rival in RIVALS:
        if rival.kind == kind:
            return rival.load(path)
    raise ModelError(
        f"The file holds a model of the unknown kind '{kind[:40]}'.",
        "It belongs to another version.",
        code="model.kind",
    )
