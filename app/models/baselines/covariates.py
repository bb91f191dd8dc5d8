"""Logistic regression on what was known before treatment, and nothing from the brain.

Which columns may be used is decided by name: a list of known pre-treatment columns, plus those
that the caller declares as measured before treatment. A name that sounds like an outcome, like
something measured after treatment, or like the treatment itself is refused, declared or not: a
label among the features is the most flattering leak of all. Names of drugs cannot be listed, so a
column called after one passes if it is declared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from pydantic import ConfigDict

from app.core.arrays import Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import People
from app.models.baselines.storage import Stored

PRE_TREATMENT = (
    "age_years",
    "sex_female",
    "mean_fd_mm",
    "baseline_pain",
    "pain_duration_years",
    "body_mass_index",
    "education_years",
    "right_handed",
    "baseline_anxiety",
    "baseline_depression",
    "baseline_catastrophising",
    "baseline_sleep",
    "baseline_quality_of_life",
    "hba1c_percent",
    "diabetes_duration_years",
)

# Words (between underscores, spaces and signs) of outcomes, of later visits and of the treatment.
OUTCOME_WORDS = re.compile(
    r"respon(se|der|ders|ded|d)|outcomes?|labels?|targets?|class|group"
    r"|post\w*|after|follow\w*|fu\d*|end\w*|final|later|last|discharge"
    r"|change[sd]?|delta|diff\w*|improve\w*|relie(f|ved)|reduc\w*|gain|percent_change"
    r"|analges\w*|analsesia|womac|pgic|cgi|vas|nrs|remission|success|fail\w*|benefit"
    r"|arm|drugs?|dos(e|es|age)|placebo|treat\w*|therap\w*|random\w*|allocat\w*|rescue"
    r"|drop\w*|withdr\w*|adverse|side|complian\w*|adheren\w*"
    r"|(week|day|month|visit|session|wk|mo|v|w|d|m|t)\d+"
)
# Times of a visit: "pain_12wk" in one word, "pain_week_4" and "pain_3_months" in two.
_LONG_UNIT = r"(?:weeks?|wks?|months?|mths?|mos?|days?|years?|yrs?|visits?|sessions?)"
TIME_WORD = re.compile(rf"[a-z]*\d+{_LONG_UNIT}|[a-z]*{_LONG_UNIT}\d+|\d+[dmwy]")
TIME_UNIT = re.compile(rf"{_LONG_UNIT}|[dmwyvt]")
SPAN_WORDS = {"to", "from", "since", "minus", "vs"}  # "baseline to week 4" is no baseline
BASELINE_WORDS = {"baseline", "pre", "before", "screening"}


@dataclass(frozen=True, slots=True)
class CovariateSettings:
    """Columns of the table in their order, those used, and those declared by the caller."""

    columns: tuple[str, ...]
    used: tuple[str, ...]
    declared: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


def refuse_covariates(used: Sequence[str], declared: Sequence[str] = ()) -> None:
    """Only pre-treatment columns pass.

    Parameters
    ----------
    used
        Names of columns that a model wants to learn from.
    declared
        Names that the caller vouches for as measured before treatment.

    Raises
    ------
    ModelError
        ``model.covariate`` naming the first column that is refused, and why.
    """
    if not used:
        raise _refused("No covariate was named.", "Name at least one pre-treatment column.")
    if len(set(used)) != len(used):
        raise _refused("A covariate is named twice.", "Name each column once.")
    for name in used:
        if name in PRE_TREATMENT:
            continue
        word = _outcome_word(name)
        if word:
            raise _refused(
                f"The column '{name[:60]}' is refused: '{word}' names an outcome, a later visit "
                "or the treatment.",
                "Only what was known before treatment may be learned from.",
            )
        if name not in declared:
            raise _refused(
                f"The column '{name[:60]}' is not on the list of pre-treatment columns.",
                "Declare it as measured before treatment, or leave it out.",
            )


def _outcome_word(name: str) -> str:
    spelled = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", spelled) if word]
    scales = {"vas", "nrs", "womac"} if BASELINE_WORDS & set(words) else set()
    for word in words:
        if word not in scales and OUTCOME_WORDS.fullmatch(word):
            return word
    if BASELINE_WORDS & set(words) and not SPAN_WORDS & set(words):
        return ""
    return _visit_time(words)


def _visit_time(words: Sequence[str]) -> str:
    """The words that name the time of a visit; "" where none do."""
    for word in words:
        if TIME_WORD.fullmatch(word):
            return word
    for one, other in pairwise(words):
        number, unit = (one, other) if one.isdecimal() else (other, one)
        if number.isdecimal() and TIME_UNIT.fullmatch(unit):
            return f"{one} {other}"
    return ""


class CovariateLogistic(LinearRival):
    """Some columns, standardised; an unknown value counts as the training mean.

    A handful of columns needs no choice of strength: a penalty of 1, both classes weighing the
    same.

    Parameters
    ----------
    columns
        Names of all columns of the table that `fit` will get, in order.
    used
        Those to learn from.
    declared
        Columns beyond `PRE_TREATMENT` that the caller vouches for.
    """

    kind = "covariates"

    def __init__(
        self, columns: Sequence[str], used: Sequence[str], declared: Sequence[str] = ()
    ) -> None:
        super().__init__("plain")
        refuse_covariates(used, declared)
        missing = [name for name in used if name not in columns]
        if missing:
            raise _refused(
                f"The table of covariates has no column '{missing[0]}'.",
                "Add the column, or leave this model out.",
            )
        self.settings = CovariateSettings(tuple(columns), tuple(used), tuple(declared))
        self._places = np.array([tuple(columns).index(name) for name in used])

    def _learn_features(self, people: People, progress: Progress) -> Floats:
        rows = self._columns(people)
        for place, name in enumerate(self.settings.used):
            if not np.isfinite(rows[:, place]).any():
                raise _refused(
                    f"The covariate '{name}' is unknown in all training people.",
                    "Leave it out or fill it in.",
                )
        return rows

    def _features(self, person: People) -> Floats:
        return np.asarray(self._columns(person)[0])

    def _columns(self, people: People) -> Floats:
        wanted = len(self.settings.columns)
        if people.covariates.shape[1] != wanted:
            raise ModelError(
                f"The table has {people.covariates.shape[1]} covariates; the model expects "
                f"{wanted}.",
                f"Give these columns in this order: {', '.join(self.settings.columns)}.",
                code="model.people",
            )
        return people.covariates[:, self._places]

    def _feature_count(self, stored: Stored) -> int:
        return len(self.settings.used)

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        found = stored.settings_as(CovariateSettings)
        return cls(found.columns, found.used, found.declared)


def _refused(message: str, hint: str) -> ModelError:
    return ModelError(message, hint, code="model.covariate")
