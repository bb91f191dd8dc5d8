"""What a reader sees first: the words of a permutation test that shows nothing."""

from __future__ import annotations

import pytest

from app.cohort.learn.flags import flags_of, too_few_permutations


def figures(labels, change=None):
    return {
        "gain_over_covariates": {"auroc_interval": [0.1, 0.3], "rival": "age"},
        "confounds": {"covariates": [], "site": {"flagged": False}},
        "permutation": labels,
        "continuous": {"permutation": change},
        "splits": {"outer_folds": 5, "repeats": 2},
        "deviations": [],
        "withheld": [],
    }


@pytest.mark.parametrize(
    ("interval", "words"),
    [([-0.7, -0.04], "lies below 0"), ([-0.2, 0.3], "includes 0"), (None, "has no interval")],
)
def test_that_a_gain_that_was_not_shown_is_told_as_its_interval_lies(interval, words):
    found = figures({"p_value": 0.01, "permutations": 199})
    found["gain_over_covariates"]["auroc_interval"] = interval
    (told,) = flags_of(found)
    assert words in told


@pytest.mark.parametrize(("count", "few"), [(0, False), (9, True), (18, True), (19, False)])
def test_that_fewer_than_nineteen_permutations_are_told_to_show_nothing(count, few):
    words = too_few_permutations(count)
    assert bool(words) is few
    if few:
        assert f"of {count} is {1 / (count + 1):.2g}; 19 are needed" in words


def test_that_the_smallest_p_of_nine_is_not_said_to_be_reached_by_shuffles():
    (told,) = flags_of(figures({"p_value": 0.1, "permutations": 9}))
    assert told.startswith(
        "Too few permutations to reach 0.05 (the smallest possible p of 9 is 0.1;"
    )
    assert "do as well" not in told
    assert "no individual number" in told


def test_that_shuffles_that_do_as_well_are_counted():
    label, change = flags_of(
        figures({"p_value": 0.12, "permutations": 199}, {"p_value": 0.5, "permutations": 19})
    )
    assert "23 of 199 times permuted labels do as well (p = 0.12)" in label  # 24 / 200
    assert change.startswith("9 of 19 times permuted outcomes do as well")
    assert flags_of(figures({"p_value": 0.05, "permutations": 19})) == []


def test_that_few_folds_are_told_with_the_number_that_there_are():
    few = figures({"p_value": 0.05, "permutations": 19}) | {
        "splits": {"outer_folds": 5, "repeats": 1}
    }
    (told,) = flags_of(few)
    assert told.startswith("Only 5 outer folds in all:")
