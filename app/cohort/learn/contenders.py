"""Models by the names of a plan: FMM_TC and every rival of `BASELINES`, ready to be compared."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.learn.contender import AnyModel, Contender, LinearContender
from app.connectome.atlases import Atlas, load_atlas
from app.core.arrays import Floats, Ints
from app.core.errors import AppError
from app.core.provenance import array_sha256
from app.models.baselines import BASELINES, Baseline, Study
from app.models.baselines.encoder_logistic import ClsCache
from app.models.baselines.encoder_reading import ReadEncoder, Reading
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.training_loop import Training
from app.models.covariates import NAMES as COVARIATES
from app.models.encoder_lookup import source_of, weights_sha256_of
from app.models.encoders import DEMONSTRATION, LoadedEncoder, agreed_contract, open_encoder
from app.models.feature_cache import FeatureCache
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_settings import FmmTcSettings, FmmTcTraining
from app.models.input_contract import InputContract

FMM_TC = "fmm-tc"
SHORT_NAMES = {
    "linear": "pearson-logistic",
    "tangent": "tangent-logistic",
    "frozen-cls": "encoder-logistic",
}
DEEP = ("brainnetcnn", "brain-network-transformer", "series-convolutional", "series-recurrent",
        "series-transformer")  # fmt: skip
COVARIATE_RIVALS = ("age", "age-sex", "motion", "age-sex-motion", "baseline-pain", "covariates")
NEEDS = {
    "age": ("age_years",),
    "age-sex": ("age_years", "sex_female"),
    "motion": ("mean_fd_mm",),
    "age-sex-motion": ("age_years", "sex_female", "mean_fd_mm"),
    "baseline-pain": ("baseline_pain",),
}
VARIANTS: dict[str, dict[str, Any]] = {
    FMM_TC: {},
    "fmm-tc-series": {"branches": ("series",)},
    "fmm-tc-connectivity": {"branches": ("connectivity",)},
    "fmm-tc-series-random": {"branches": ("series",), "foundation": "random"},
    "fmm-tc-series-scratch": {"branches": ("series",), "foundation": "scratch"},
    "fmm-tc-random": {"foundation": "random"},
    "fmm-tc-scratch": {"foundation": "scratch"},
    "fmm-tc-gated": {"fusion": "gated"},
    "fmm-tc-late": {"fusion": "late"},
    "fmm-tc-tangent": {"connectivity": "tangent"},
}


@dataclass(frozen=True, slots=True)
class EncoderPlace:
    """A frozen encoder with what it needs of the atlas."""

    loaded: LoadedEncoder
    contract: InputContract
    centroids_mm: Floats  # (parcel, 3)
    network_of_parcel: Ints  # (parcel,)

    @property
    def orders(self) -> Ints | None:
        """(order, token) that the encoder brings; None = parcel order."""
        return self.loaded.stored_orders

    def reading(self, repetition_time_s: float) -> Reading:
        """How the CLS token is read from a scan."""
        policy = self.contract.repetition_time_policy
        return Reading(
            weights_sha256_of(self.loaded),
            self.contract.normalisation,
            self.contract.scale_percent,
            policy,
            repetition_time_s if policy == "physical" else None,
        )


@dataclass(frozen=True, slots=True)
class Workshop:
    """What contenders are made from."""

    covariate_names: tuple[str, ...]
    repetition_time_s: float
    encoder: EncoderPlace | None = None
    cache: Path | None = None  # folder of frozen features, by content hash
    training: Training | None = None  # of the networks; None = their own defaults
    fmm_tc_training: FmmTcTraining | None = None
    minimum_frames: int = 100
    harmonise: str = "none"  # or "combat": linear models of connectivity

    def contender(self, name: str) -> Contender:
        """One model by its name.

        Raises
        ------
        AppError
            ``cohort.model``: no such model, or the cohort lacks what it needs.
        """
        wanted = SHORT_NAMES.get(name, name)
        if wanted in VARIANTS:
            return self.fmm_tc(wanted, VARIANTS[wanted])
        refuse_unknown_models((name,))
        entry = next(one for one in BASELINES if one.id == wanted)
        missing = [one for one in NEEDS.get(wanted, ()) if one not in self.covariate_names]
        if missing or (wanted == "covariates" and not self.covariate_names):
            raise _refused(
                f"The model '{wanted}' needs {', '.join(missing) or 'covariates'}, which nobody "
                "has.",
                "Add the column to participants.tsv, or leave the model out.",
            )
        if wanted == "volumes-logistic":
            raise _refused(
                "The model 'volumes-logistic' needs FreeSurfer volumes, which the recipe does not "
                "measure.",
                "Leave it out.",
            )
        return self._rival(entry)

    def _rival(self, entry: Baseline) -> Contender:
        study = self._study(entry.id)
        identity: list[Any] = [entry.id]
        if study.encoder is not None:
            identity.append(study.encoder.sha256)
        if entry.id in DEEP:
            identity += [asdict(study.training), study.window_frames]
        if entry.id == "covariates":
            identity.append(list(self.covariate_names))

        def make() -> Any:
            if entry.id == "covariates":
                return study.columns(*self.covariate_names)
            return entry.make(study)

        if isinstance(make(), LinearRival):
            combat = self.harmonise == "combat" and entry.inputs == "connectivity"
            identity += ["combat"] if combat else []
            return LinearContender(
                entry.id, entry.label, entry.inputs, make, identity, harmonise=combat
            )
        deep = entry.id in DEEP
        return AnyModel(entry.id, entry.label, entry.inputs, make, identity, deep=deep)

    def _study(self, model: str) -> Study:
        encoder = None
        if model == "encoder-logistic":
            place = self._encoder(model)
            encoder = ReadEncoder(
                place.loaded, place.reading(self.repetition_time_s), place.centroids_mm,
                place.orders,
            )  # fmt: skip
        return Study(
            covariates=COVARIATES,
            encoder=encoder,
            cache=ClsCache(self.cache),  # shared by every fold, also without a folder
            window_frames=self.minimum_frames,
            training=self.training or Training(),
        )

    def fmm_tc(self, name: str, changes: Mapping[str, Any]) -> AnyModel:
        """FMM_TC in corrected mode, with changes of its settings by name."""
        contract = self._encoder(name).contract
        physical = contract.repetition_time_policy == "physical"
        settings = FmmTcSettings.corrected(
            normalisation=contract.normalisation,
            series_scale_percent=contract.scale_percent,
            window_frames=contract.window_frames,
            repetition_time_policy=contract.repetition_time_policy,
            repetition_time_s=self.repetition_time_s if physical else None,
            training=self.fmm_tc_training or FmmTcTraining(),
            **changes,
        )
        return self.network(name, settings)

    def as_released(self, name: str) -> AnyModel:
        """FMM_TC in faithful mode; its people bring raw series."""
        window = self._encoder(name).contract.window_frames
        return self.network(name, FmmTcSettings.faithful(window_frames=window))

    def network(self, name: str, settings: FmmTcSettings) -> AnyModel:
        """Any variant behind the workshop's encoder."""
        place = self._encoder(name)
        # The demonstration encoder's CLS was never trained to say anything: its patch tokens are
        # pooled over networks instead, as the demonstration model does.
        pooled = place.network_of_parcel if place.loaded.name == DEMONSTRATION else None
        source = source_of(place.loaded, pooled)
        cache = FeatureCache(self.cache)

        def make() -> FmmTcNetwork:
            return FmmTcNetwork(
                settings,
                encoder=source,
                centroids_mm=place.centroids_mm,
                orders=place.orders,
                cache=cache,
            )

        identity = [
            name, settings.as_mapping(), source.identity(), array_sha256(place.centroids_mm),
        ]  # fmt: skip
        inputs = settings.branches[0] if len(settings.branches) == 1 else "both"
        return AnyModel(name, settings.label(), inputs, make, identity)

    def _encoder(self, model: str) -> EncoderPlace:
        if self.encoder is None:
            raise _refused(
                f"The model '{model}' needs an encoder.",
                f"Name one: --encoder {DEMONSTRATION}, or an installed one.",
            )
        contract = self.encoder.contract
        wanted, found = contract.repetition_time_s, self.repetition_time_s
        if wanted is not None and abs(wanted - found) > contract.repetition_time_tolerance_s:
            raise _refused(
                f"The encoder of '{model}' was trained on a repetition time of {wanted:g} s; the "
                f"scans have {found:g} s.",
                "Choose an encoder that takes this repetition time, or leave the model out.",
            )
        return self.encoder


def encoder_place(name: str, atlas: Atlas, *, normalisation: str | None = None) -> EncoderPlace:
    """An encoder by name beside an atlas.

    Raises
    ------
    ModelError
        As `open_encoder` and `agreed_contract`.
    AppError
        ``cohort.model`` when the atlas is not the encoder's.
    """
    loaded = open_encoder(name)
    contract = agreed_contract(loaded, normalisation=normalisation)
    if contract.parcel_count != len(atlas.parcel_names) or (
        contract.atlas and contract.atlas.casefold() != atlas.name.casefold()
    ):
        raise _refused(
            f"The encoder '{name[:60]}' takes {contract.parcel_count} parcels of "
            f"{contract.atlas or 'its atlas'}; the cohort has {len(atlas.parcel_names)} of "
            f"{atlas.name}.",
            "Prepare the cohort with the encoder's atlas, or choose another encoder.",
        )
    return EncoderPlace(
        loaded, contract, np.asarray(atlas.centroids_mm, np.float32), networks_of(atlas.networks)
    )


def networks_of(names: Sequence[str]) -> Ints:
    """Number of each parcel's network, in order of first appearance."""
    order = list(dict.fromkeys(names))
    return np.array([order.index(name) for name in names])


def needs_encoder(names: Sequence[str]) -> bool:
    """Whether any of these models does."""
    full = {SHORT_NAMES.get(name, name) for name in names}
    return bool(full & ({"encoder-logistic"} | set(VARIANTS)))


def find_atlas(name: str) -> Atlas:
    """The plan's atlas."""
    return load_atlas(name)


def refuse_unknown_models(names: Sequence[str]) -> None:
    """A misspelt name is refused before anything is locked or computed.

    Raises
    ------
    AppError
        ``cohort.model``.
    """
    known = (*VARIANTS, *SHORT_NAMES, *(one.id for one in BASELINES))
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise _refused(
                f"There is no model '{name[:60]}'.",
                f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}.",
            )


def _refused(message: str, hint: str) -> AppError:
    return AppError(message, hint, code="cohort.model")
