"""A fitted FMM_TC as one safetensors file: settings in its metadata, values as tensors.

Third-party encoder weights are referred to by their SHA-256 and never written; random and
own encoders are written. Reading is strict: exact settings, keys, shapes, finite values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from app.core.errors import ModelError
from app.models.fmm_tc_fitted import Fitted, TrainingRecord
from app.models.fmm_tc_inputs import SeriesStatistics
from app.models.fmm_tc_module import made
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fmm_tc_training import MemberRecord
from app.models.limits import MAX_FILE_BYTES
from app.models.reference_series import FREQUENCIES, SeriesSummary
from app.models.safetensors_header import read_header
from app.models.series_encoder import EncoderSource, built, module_of, weights_sha256
from app.models.strict_loading import check_tensors, metadata_of, read_tensors, write_tensors

if TYPE_CHECKING:
    from app.models.fmm_tc_network import FmmTcNetwork

FORMAT = 1
METADATA_KEY = "fmm_tc"


def state_of(model: FmmTcNetwork) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors of a fitted model."""
    fitted = model._ready()
    tensors: dict[str, Tensor] = {
        "statistics.mean_correlation": torch.from_numpy(fitted.mean_correlation.copy()),
        "statistics.shrinkage": torch.tensor([fitted.shrinkage], dtype=torch.float64),
    }
    if fitted.whitening is not None:
        tensors["statistics.whitening"] = torch.from_numpy(fitted.whitening.copy())
    if fitted.series_statistics is not None:
        for name in ("median", "interquartile"):
            values = getattr(fitted.series_statistics, name)
            tensors[f"statistics.{name}"] = torch.from_numpy(np.array(values, np.float64))
    if fitted.summary is not None:
        tensors["summary.deviation"] = torch.from_numpy(np.array(fitted.summary.deviation))
        tensors["summary.amplitude"] = torch.from_numpy(np.array(fitted.summary.amplitude))
    if model.centroids_mm is not None and model.orders is not None:
        tensors["centroids_mm"] = torch.from_numpy(np.array(model.centroids_mm, np.float32))
        tensors["token_orders"] = torch.from_numpy(model.orders.astype(np.int32))
    for number, member in enumerate(fitted.members):
        for key, value in member.state_dict().items():
            tensors[f"member.{number}.{key}"] = value.detach().cpu().clone()
        for branch, value in fitted.reference_features[number].items():
            tensors[f"reference.{number}.{branch}"] = value.detach().cpu().clone()
    encoder = None
    if fitted.encoder is not None:
        source = fitted.encoder
        encoder = {
            "sha256": source.sha256,
            "third_party": source.third_party,
            "build": dict(source.build),
            "width": source.encoder.width,
        }
        if not source.third_party and model.settings.foundation != "scratch":
            for key, value in module_of(source.encoder).state_dict().items():
                tensors[f"encoder.{key}"] = value.detach().cpu().clone()
    settings = {
        "format": FORMAT,
        "settings": model.settings.as_mapping(),
        "parcels": fitted.parcels,
        "encoder": encoder,
        "record": asdict(fitted.record),
    }
    return settings, tensors


def write(model: FmmTcNetwork, path: Path) -> None:
    """Write the whole file or none."""
    settings, tensors = state_of(model)
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    if size > MAX_FILE_BYTES - 2**20:
        raise ModelError(
            f"The model has {size // 2**20} MiB; files of more than "
            f"{MAX_FILE_BYTES // 2**20} MiB are not read.",
            "Use fewer members.",
            code="model.too_large",
        )
    write_tensors(path, tensors, {METADATA_KEY: json.dumps(settings, sort_keys=True)})


def read(path: Path, *, encoder: EncoderSource | None, device: str) -> FmmTcNetwork:
    """Read a file that `write` wrote."""
    tensors = read_tensors(path)
    return network_of(_stored(path), tensors, encoder=encoder, device=device)


def wanted_encoder(path: Path) -> tuple[str, dict[str, Any]] | None:
    """Hash and description of the published encoder that a file refers to; None: it needs none.

    Raises
    ------
    ModelError
        ``model.damaged``.
    """
    found = _stored(path).get("encoder")
    if not isinstance(found, dict) or found.get("third_party") is not True:
        return None
    sha256, build = found.get("sha256"), found.get("build")
    if not isinstance(sha256, str) or not isinstance(build, dict):
        raise _damaged("it does not name its encoder")
    return sha256, build


def _stored(path: Path) -> dict[str, Any]:
    """The settings in the header; the file itself was read strictly before or is next."""
    read_header(path)
    try:
        settings = json.loads(metadata_of(path)[METADATA_KEY])
    except (KeyError, json.JSONDecodeError, RecursionError) as error:
        raise _damaged("it holds no settings of FMM_TC") from error
    if not isinstance(settings, dict):
        raise _damaged("it holds no settings of FMM_TC")
    return settings


def network_of(
    stored: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    encoder: EncoderSource | None,
    device: str,
) -> FmmTcNetwork:
    """Build a model from settings and tensors, strictly.

    Raises
    ------
    ModelError
        ``model.damaged``, ``model.settings``, ``model.encoder_missing``,
        ``model.encoder_hash``, or as `check_tensors`.
    """
    from app.models.fmm_tc_network import FmmTcNetwork

    if not isinstance(stored, Mapping) or stored.get("format") != FORMAT:
        raise _damaged("its settings are of another format")
    try:
        settings = FmmTcSettings.from_mapping(stored["settings"])
        parcels = int(stored["parcels"])
        record = _record(stored["record"])
        wanted = stored["encoder"]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged("its settings are incomplete") from error
    known = tensors.get("statistics.mean_correlation")
    if known is None or known.shape != (parcels, parcels):
        raise _damaged("its number of parcels is not that of its statistics")
    source = None if "series" not in settings.branches else _source(wanted, tensors, encoder)
    check_tensors(tensors, _shapes(settings, parcels, source, tensors))
    members = []
    for number in range(settings.training.members):
        module = made(settings, parcels, source, 0)
        prefix = f"member.{number}."
        own = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        module.load_state_dict(own, strict=True)
        members.append(module.to(device).eval().requires_grad_(False))
    if source is not None:
        module_of(source.encoder).to(device)
    model = FmmTcNetwork(
        settings,
        encoder=source,
        centroids_mm=None if source is None else tensors["centroids_mm"].numpy(),
        orders=None if source is None else tensors["token_orders"].long().numpy(),
        device=device,
    )
    model.fitted = _fitted(settings, parcels, source, tensors, tuple(members), record, device)
    return model


def _fitted(
    settings: FmmTcSettings,
    parcels: int,
    source: EncoderSource | None,
    tensors: Mapping[str, Tensor],
    members: tuple[Any, ...],
    record: TrainingRecord,
    device: str,
) -> Fitted:
    def values(name: str) -> Any:
        return tensors[name].numpy() if name in tensors else None

    statistics = summary = None
    if "statistics.median" in tensors:
        statistics = SeriesStatistics(
            values("statistics.median"), values("statistics.interquartile")
        )
    mean = values("statistics.mean_correlation")
    if "summary.deviation" in tensors:
        summary = SeriesSummary(mean, values("summary.deviation"), values("summary.amplitude"))
    return Fitted(
        parcels=parcels,
        encoder=source,
        members=members,
        mean_correlation=mean,
        shrinkage=float(tensors["statistics.shrinkage"]),
        whitening=values("statistics.whitening"),
        series_statistics=statistics,
        summary=summary,
        reference_features=tuple(
            {b: tensors[f"reference.{n}.{b}"].to(device) for b in settings.branches}
            for n in range(len(members))
        ),
        record=record,
    )


def _source(
    wanted: Any, tensors: Mapping[str, Tensor], given: EncoderSource | None
) -> EncoderSource:
    try:
        sha256, third_party = str(wanted["sha256"]), bool(wanted["third_party"])
        build = dict(wanted["build"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged("it does not name its encoder") from error
    if third_party:
        if given is None:
            raise ModelError(
                f"The model needs the encoder with SHA-256 {sha256[:12]}….",
                "Install that encoder; its weights are not part of the model.",
                code="model.encoder_missing",
            )
        if given.sha256 != sha256:
            raise ModelError(
                f"The encoder at hand ({given.sha256[:12]}…) is not the one that the model was "
                f"trained with ({sha256[:12]}…).",
                "Install the encoder that the model names.",
                code="model.encoder_hash",
            )
        return given
    if given is not None and not build:
        source = given.restarted(0)
    else:
        source = EncoderSource(built(build), sha256, False, build)
    module = module_of(source.encoder)
    own = {k[len("encoder.") :]: v for k, v in tensors.items() if k.startswith("encoder.")}
    if own:
        check_tensors(own, {k: tuple(v.shape) for k, v in module.state_dict().items()})
        module.load_state_dict(own, strict=True)
        if weights_sha256(source.encoder) != sha256:
            raise ModelError(
                "The encoder inside the model's file is not the one that it names.",
                "Install the model again.",
                code="model.encoder_hash",
            )
    module.eval().requires_grad_(False)
    return EncoderSource(source.encoder, sha256, False, build)


def _shapes(
    settings: FmmTcSettings,
    parcels: int,
    source: EncoderSource | None,
    tensors: Mapping[str, Tensor],
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "statistics.mean_correlation": (parcels, parcels),
        "statistics.shrinkage": (1,),
    }
    if settings.connectivity == "tangent" and "connectivity" in settings.branches:
        shapes["statistics.whitening"] = (parcels, parcels)
    if settings.normalisation == "robust_cohort":
        shapes |= {"statistics.median": (parcels,), "statistics.interquartile": (parcels,)}
    if settings.mode == "corrected":
        shapes |= {"summary.deviation": (parcels,), "summary.amplitude": (FREQUENCIES,)}
    if source is not None:
        shapes["centroids_mm"] = (parcels, 3)
        orders = tensors.get("token_orders", torch.zeros(0))
        tokens = getattr(source.encoder, "token_count", orders.shape[-1])
        shapes["token_orders"] = (len(orders), int(tokens))
        if not source.third_party and settings.foundation != "scratch":
            for key, value in module_of(source.encoder).state_dict().items():
                shapes[f"encoder.{key}"] = tuple(value.shape)
    empty = made(settings, parcels, source, 0)
    for number in range(settings.training.members):
        for key, value in empty.state_dict().items():
            shapes[f"member.{number}.{key}"] = tuple(value.shape)
        for branch in settings.branches:
            shapes[f"reference.{number}.{branch}"] = (1, empty.widths[branch])
    return shapes


def _record(values: Mapping[str, Any]) -> TrainingRecord:
    members = tuple(
        MemberRecord(**(dict(one) | {"losses": tuple(one["losses"])})) for one in values["members"]
    )
    return TrainingRecord(**(dict(values) | {"members": members}))


def _damaged(what: str) -> ModelError:
    return ModelError(
        f"The model's file is damaged: {what}.", "Install the model again.", code="model.damaged"
    )
