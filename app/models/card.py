"""The model card: what a bundle says about itself, read from `card.toml` and checked.

Format 1 cards of earlier builds are refused, not guessed at: they lack what format 2 demands.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from app.core.arrays import frozen
from app.core.errors import ModelError
from app.core.results import ModelSummary
from app.models.brainlm_config import BrainLMConfig
from app.models.card_schema import FORMAT, CardFields, Contract
from app.models.installed import CARD_FILE
from app.models.limits import MAX_CARD_BYTES, MAX_FILE_BYTES
from app.models.seal import check_seal

__all__ = ["FORMAT", "Calibration", "Card", "Contract", "read_card", "sha256_of_names"]

TOLD_AT_ONCE = 3
LONGEST_VALUE = 40
LARGEST_SIZE = 10_000
LARGEST_SIZES = {"num_brain_voxels": 2_000, "num_hidden_layers": 100, "num_attention_heads": 64,
                 "conv_kernel_size": 1_001}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: probability = sigmoid(slope * log-odds + intercept)."""

    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Card:
    """A checked model card."""

    fields: CardFields
    summary: ModelSummary
    raw: dict[str, Any]  # the whole card, for display
    sha256: str  # of the file's bytes

    @property
    def contract(self) -> Contract:
        """What a scan must have been through before this model may look at it."""
        return self.fields.contract

    @property
    def calibration(self) -> Calibration:
        """How log-odds become a probability."""
        return Calibration(self.fields.calibration.slope, self.fields.calibration.intercept)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates of the rival, in the order of its weights."""
        return tuple(self.fields.covariates.names)

    @property
    def site_names(self) -> tuple[str, ...]:
        """Training sites, in the order of the novelty statistics."""
        return tuple(site.name for site in self.fields.training.sites)

    @property
    def encoder(self) -> BrainLMConfig:
        """Sizes of the encoder.

        Raises
        ------
        ModelError
            ``model.card`` when the card has no encoder, or one that cannot be run.
        """
        if self.fields.encoder is None:
            raise card_error("encoder is missing")
        config = BrainLMConfig.from_mapping(self.fields.encoder.config)
        _check_sizes(config)
        try:
            config.check()
        except ValueError as fault:
            raise card_error(f"encoder.config: {fault}") from fault
        return config


def read_card(folder: Path) -> Card:
    """Read and check `card.toml` of one bundle.

    Raises
    ------
    ModelError
        ``model.missing``; ``model.card``, naming the fields and what they must be;
        ``model.hash`` when the card of an installed model was changed.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise ModelError(
            f"No model named '{folder.name}' is installed.",
            "Choose one that `models` lists.",
            code="model.missing",
        )
    if path.stat().st_size > MAX_CARD_BYTES:
        raise card_error("it is larger than 1 MiB")
    card = parse_card(path.read_bytes())
    check_seal(folder, card.sha256)
    return card


def parse_card(content: bytes) -> Card:
    """Check the bytes of a `card.toml`; as `read_card`."""
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise card_error("it is not TOML") from error
    found = values.get("format")
    if found != FORMAT or isinstance(found, bool):
        told = "no format" if found is None else f"format {str(found)[:LONGEST_VALUE]}"
        raise card_error(f"it has {told}, this program reads format {FORMAT}")
    try:
        card = CardFields.model_validate(values)
    except ValidationError as error:
        raise card_error(_told(problems_of(error, CardFields))) from error
    digest = hashlib.sha256(content).hexdigest()
    return Card(card, _summary(card, digest), values, digest)


def card_error(what: str) -> ModelError:
    """A card that cannot be used, and what to do."""
    return ModelError(
        f"The model card cannot be used: {what}.",
        "Correct it in the model's card.toml, or install the model again.",
        code="model.card",
    )


def _check_sizes(config: BrainLMConfig) -> None:
    """Whole numbers of a size that a weights file can fill, before anything is allocated."""
    for field in fields(config):
        value = getattr(config, field.name)
        if type(value) is not type(field.default):
            kind = type(field.default).__name__
            raise card_error(f"encoder.config.{field.name} must be of kind {kind}")
        most = LARGEST_SIZES.get(field.name, LARGEST_SIZE)
        if type(value) is int and not 1 <= value <= most:
            raise card_error(f"encoder.config.{field.name} is not a possible size ({value})")
    width, inner = config.hidden_size, config.intermediate_size
    weights = config.num_hidden_layers * (4 * width * width + 2 * width * inner)
    if 4 * weights > MAX_FILE_BYTES:
        raise card_error("encoder.config describes more weights than a bundle may hold")


def sha256_of_names(names: Iterable[str]) -> str:
    """Hash of the parcels' order: names joined by line feeds, UTF-8."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def problems_of(error: ValidationError, schema: type[BaseModel]) -> list[str]:
    """One short sentence a fault, with the field's full name; unknown ones with the nearest."""
    told = []
    for item in error.errors(include_url=False):
        place = tuple(item["loc"])
        path, message = ".".join(str(part) for part in place), item["msg"]
        if item["type"] == "missing":
            told.append(f"{path} is missing")
        elif item["type"] == "extra_forbidden":
            told.append(f"{path} is unknown{_nearest(place, schema)}")
        else:
            message = message.removeprefix("Value error, ")
            found = item["input"]
            if isinstance(found, str | int | float) and "found" not in message:
                message += f" (found {str(found)[:LONGEST_VALUE]!r})"
            # rules between the fields of a table begin with the field's name
            link = "." if isinstance(found, dict) and item["type"] == "value_error" else ": "
            told.append(f"{path}{link}{message}" if path else message)
    return told


def _told(problems: list[str]) -> str:
    rest = len(problems) - TOLD_AT_ONCE
    return "; ".join(problems[:TOLD_AT_ONCE]) + (f"; and {rest} more" if rest > 0 else "")


def _nearest(place: tuple[int | str, ...], schema: type[BaseModel]) -> str:
    """What an unknown field was probably meant to be."""
    table: Any = schema
    for step in place[:-1]:
        if isinstance(step, str) and _is_table(table):
            field = table.model_fields.get(step)
            table = _table_of(field.annotation) if field is not None else None
    names = list(table.model_fields) if _is_table(table) else []
    near = difflib.get_close_matches(str(place[-1]), names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _table_of(kind: Any) -> Any:
    """The table class inside ``X | None``, ``list[X]`` or ``Annotated[X, …]``."""
    if _is_table(kind):
        return kind
    if typing.get_origin(kind) in (typing.Union, types.UnionType, list, typing.Annotated):
        found = [_table_of(part) for part in typing.get_args(kind)]
        return next((part for part in found if part is not None), None)
    return None


def _summary(card: CardFields, card_sha256: str) -> ModelSummary:
    headline = card.metrics[card.protocol.headline]
    low, high = headline["auroc_interval"]
    return ModelSummary(
        model_id=card.model.id,
        weights_sha256=card.weights.sha256,
        drug=card.treatment.drug,
        responder_definition=card.responder.text,
        population=card.population.description,
        training_count=card.training.count,
        base_rate=card.training.responders / card.training.count,
        cutoff=card.protocol.cutoff,
        cutoff_source=card.protocol.cutoff_source,
        auroc=float(headline["auroc"]),
        auroc_interval=(float(low), float(high)),
        covariate_auroc=float(card.metrics[card.protocol.rival]["auroc"]),
        simulated=card.model.simulated,
        limits=tuple(card.model.limitations),
        score_edges=frozen(np.asarray(card.histogram.edges, float)),
        score_counts_responder=frozen(np.asarray(card.histogram.responder, float)),
        score_counts_non_responder=frozen(np.asarray(card.histogram.non_responder, float)),
        mode=card.model.mode,
        dose_and_route=_joined(card.treatment.dose, card.treatment.route),
        arm=card.treatment.arm,
        comparator=card.treatment.comparator,
        time_point=card.responder.time_point,
        control_arm_modelled=card.treatment.control_arm_modelled,
        estimand=card.estimand.statement,
        rescue_medication=card.estimand.rescue_medication,
        drop_out=card.estimand.drop_out,
        gain_interval=card.gain_interval,
        card_sha256=card_sha256,
        interval_method=card.uncertainty.method,
        external_test=card.training.external_test,
    )


def _joined(*parts: str) -> str:
    return ", ".join(dict.fromkeys(part for part in parts if part != "none")) or "none"
