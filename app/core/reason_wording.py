"""Why a number is withheld, as people read it."""

from __future__ import annotations

import re

from app.core.results import Case, ModelSummary

NOTHING_ASKED = (
    "No treatment and no responder definition is asked of this participant: the only model at "
    "hand was made from simulated people and a simulated treatment."
)

# Reasons are kept with the field of the model card that closed the gate, such as
# "(contract.minimum_frames)": for the record and for who maintains a model, not for readers.
_FIELD = re.compile(
    r" \((?:contract|covariates|model|novelty|population|responder|treatment)\.[a-z0-9_.]+"
    r"(?:, policy '[^']*')?\)"
)


def bare_reason(reason: str) -> str:
    """A reason without the word "Withheld", which stands above it, and without card fields."""
    told = _FIELD.sub("", reason.removeprefix("Withheld: "))
    return told[:1].upper() + told[1:]


def asked_model(case: Case) -> ModelSummary | None:
    """The model whose question is asked of this person.

    A model of simulated people only was not asked about a person: its drug, its responder
    definition and its population would read as if they were this person's.
    """
    model = case.prediction.model if case.prediction is not None else None
    return None if model is not None and model.simulated and not case.scan.simulated else model
