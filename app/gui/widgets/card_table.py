"""The table twin of the prediction card: every value that its figures draw, with its context."""

from __future__ import annotations

from app.core import wording
from app.core.results import Prediction
from app.gui.widgets.tables import Cell, Table

COLUMNS = ("figure", "value of", "from", "to", "value", "unit")


def card_table(found: Prediction) -> Table | None:
    """Estimates, held-out scores by class and contributions; None where there is no number."""
    model = found.model
    if not wording.shows_number(found) or model is None or found.interval is None:
        return None
    low, high = found.interval
    estimates = "estimates"
    rows: list[tuple[Cell, ...]] = [
        (estimates, "this model", None, None, found.probability, "probability"),
        (estimates, "95 % interval", low, high, None, "probability"),
        (estimates, "covariates only", None, None, found.covariate_probability, "probability"),
        (estimates, "base rate", None, None, model.base_rate, "share"),
        (estimates, f"cut-off, {model.cutoff_source}", None, None, model.cutoff, "probability"),
    ]
    edges = model.score_edges.tolist()
    for words, counts in (
        ("responders", model.score_counts_responder),
        ("non-responders", model.score_counts_non_responder),
    ):
        for first, last, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True):
            rows.append(("held-out scores", words, first, last, int(count), wording.people(model)))
    for key, value in (found.contributions or {}).items():
        name = wording.modality_word(key)
        rows.append(("what it relied on", name, None, None, value, "log-odds"))
    return Table(COLUMNS, rows)
