"""People drawn with replacement, and folds in which all rows of one person lie together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.cohort.training import folds_of
from app.core.arrays import Bools, Ints

MOST_TRIES = 50  # draws that leave too few of a class, for one refit


def person_draws(
    identifiers: Sequence[str], labels: Bools, repeats: int, seed: int, fewest: int
) -> tuple[Ints, ...]:
    """Rows of people drawn with replacement, rows of one person together.

    Draws with fewer than `fewest` rows of a class are drawn again; the first draws do not depend
    on how many follow.
    """
    names = list(dict.fromkeys(identifiers))
    rows = {name: [i for i, one in enumerate(identifiers) if one == name] for name in names}
    rng = np.random.default_rng([seed, 707])
    found = []
    for _ in range(repeats):
        for _ in range(MOST_TRIES):
            taken = rng.integers(0, len(names), len(names))
            drawn = np.array([row for person in taken for row in rows[names[int(person)]]])
            kept = np.unique(drawn)
            if min(labels[kept].sum(), (~labels[kept]).sum()) >= fewest:
                found.append(drawn)
                break
    return tuple(found)


def person_folds(identifiers: Sequence[str], labels: Bools, seed: int, count: int) -> Ints:
    """(row,) fold of each row's person, classes spread evenly."""
    first: dict[str, int] = {}
    for index, name in enumerate(identifiers):
        first.setdefault(name, index)
    own = np.array([bool(labels[index]) for index in first.values()])
    fold = dict(zip(first, folds_of(own, count, seed), strict=True))
    return np.array([int(fold[name]) for name in identifiers])
