"""TRIPOD+AI (Collins et al., BMJ 2024;385:e078378): its 27 items, each with an answer or a gap.

The items are named in this project's own words; the published checklist holds the full text.
An item that the evaluation cannot know (ethics, funding) stays visibly unanswered: it is for the
authors of a study to fill in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNANSWERED = "Unanswered: for the authors to fill in."
NOT_APPLICABLE = "Not applicable"
FOR_AUTHORS = "for the authors"  # an answer with these words leaves a part of the item open
STATUSES = ("answered", "partly answered", "not applicable", "unanswered")


@dataclass(frozen=True, slots=True)
class Item:
    """One numbered item."""

    number: str
    part: str
    asks: str


ITEMS: tuple[Item, ...] = (
    Item("1", "Title", "Development or evaluation of a prediction model, in whom, for what"),
    Item("2", "Abstract", "Structured abstract (TRIPOD+AI for Abstracts)"),
    Item("3", "Introduction", "Health context, purpose and users of the model, known inequalities"),
    Item("4", "Introduction", "Objectives: development, evaluation, or both"),
    Item("5", "Methods", "Sources of data and dates, representativeness"),
    Item("6", "Methods", "Participants: setting, eligibility, treatments received"),
    Item("7", "Methods", "Data preparation and quality checks, alike across groups"),
    Item("8", "Methods", "Outcome, time horizon, who assessed it, blinding"),
    Item("9", "Methods", "Predictors: choice, definition, timing, blinding"),
    Item("10", "Methods", "Sample size and its justification"),
    Item("11", "Methods", "Missing data and how they were handled"),
    Item("12", "Methods", "Analysis: use of data, predictors, model, tuning, internal validation, "
                          "heterogeneity, performance measures, updating"),
    Item("13", "Methods", "Class imbalance: whether corrected, and recalibration"),
    Item("14", "Methods", "Fairness: approaches and their rationale"),
    Item("15", "Methods", "Output of the model; thresholds and their rationale"),
    Item("16", "Methods", "Differences between development and evaluation data"),
    Item("17", "Methods", "Ethical approval and consent"),
    Item("18", "Open science", "Funding, conflicts, protocol, registration, data and code sharing"),
    Item("19", "Involvement", "Patients and the public: involvement, or none"),
    Item("20", "Results", "Flow and characteristics of participants, with outcome counts"),
    Item("21", "Results", "Participants and outcome events in each analysis"),
    Item("22", "Results", "Full model, so that it can be used and evaluated by others"),
    Item("23", "Results", "Performance with intervals, by subgroup; heterogeneity across clusters"),
    Item("24", "Results", "Updating of the model and its results"),
    Item("25", "Discussion", "Interpretation, fairness, earlier studies"),
    Item("26", "Discussion", "Limitations and their effect on bias and generality"),
    Item("27", "Discussion", "Usability: poor input, interaction and expertise, next steps"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answered:
    """An item beside what this report says about it."""

    item: Item
    status: str  # one of `STATUSES`
    text: str


def answered(answers: Mapping[str, str]) -> tuple[Answered, ...]:
    """All 27 items in order.

    Parameters
    ----------
    answers
        Item number -> what the report says; a text that begins with "Not applicable" counts as
        that, one that leaves something "for the authors" as a part of an answer.

    Raises
    ------
    ValueError
        An answer to an item that does not exist.
    """
    unknown = set(answers) - {item.number for item in ITEMS}
    if unknown:
        raise ValueError(f"no such item of TRIPOD+AI: {', '.join(sorted(unknown))}")
    found = []
    for item in ITEMS:
        text = answers.get(item.number, "").strip()
        if not text:
            found.append(Answered(item, "unanswered", UNANSWERED))
        elif text.startswith(NOT_APPLICABLE):
            found.append(Answered(item, "not applicable", text))
        elif FOR_AUTHORS in text:
            found.append(Answered(item, "partly answered", text))
        else:
            found.append(Answered(item, "answered", text))
    return tuple(found)
