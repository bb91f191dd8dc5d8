"""Splits: by person, balanced, seeded, disjoint at every level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.cohort.learn.splits import nested_splits, refuse_overlap, site_splits
from app.core.errors import AppError


def drawn(seed=3, count=60, per_person=1, **changes):
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.random(count) < 0.4, per_person)
    sites = np.repeat(rng.choice(["a", "b", "b"], count), per_person)
    people = [f"p{number // per_person}" for number in range(count * per_person)]
    settings = {"outer_folds": 5, "inner_folds": 4, "repeats": 3, "seed": 11} | changes
    return nested_splits(people, labels, sites, **settings), people, labels, sites


def test_that_everybody_is_tested_once_in_each_repeat():
    splits, people, _, _ = drawn()
    for repeat in range(3):
        tested = np.concatenate([fold.test for fold in splits.of_repeat(repeat)])
        assert sorted(tested.tolist()) == list(range(len(people)))


def test_that_identifiers_are_disjoint_at_every_level_with_two_scans_a_person():
    splits, people, _, _ = drawn(per_person=2)
    for fold in splits:
        who = {people[i] for i in fold.training}
        assert not who & {people[i] for i in fold.test}
        assert len(fold.training) + len(fold.test) == len(people)
        validated = []
        for inside, validation in fold.inner:
            assert not {people[i] for i in inside} & {people[i] for i in validation}
            assert {people[i] for i in inside} | {people[i] for i in validation} == who
            validated += validation.tolist()
        assert sorted(validated) == sorted(fold.training.tolist())


def test_that_labels_and_sites_are_spread_evenly():
    splits, _, labels, sites = drawn()
    for fold in splits:
        for value in (True, False):
            members = int((labels == value).sum())
            inside = int((labels[fold.test] == value).sum())
            assert inside in (members // 5, -(-members // 5))
            for site in "ab":
                members = int(((labels == value) & (sites == site)).sum())
                inside = int(((labels[fold.test] == value) & (sites[fold.test] == site)).sum())
                assert inside in (members // 5, -(-members // 5))


def test_that_the_seed_decides_and_repeats_differ():
    one, other, third = drawn()[0], drawn()[0], drawn(seed=3)[0]
    assert one.sha256 == other.sha256
    moved = nested_splits(
        [f"p{i}" for i in range(60)], np.arange(60) % 2 == 0, ["a"] * 60, outer_folds=5,
        inner_folds=4, repeats=1, seed=12,
    )  # fmt: skip
    assert moved.sha256 != one.sha256 == third.sha256
    first, second = (one.of_repeat(r)[0].test.tolist() for r in (0, 1))
    assert first != second


def test_that_an_overlap_is_found_wherever_it_is():
    splits, people, _, _ = drawn()
    fold = splits.folds[0]
    with pytest.raises(ValueError, match="training and test"):
        refuse_overlap(replace(fold, test=fold.training[:1]), people)
    inside, validation = fold.inner[0]
    with pytest.raises(ValueError, match="validates on training"):
        refuse_overlap(replace(fold, inner=((inside, inside[:1]),)), people)
    with pytest.raises(ValueError, match="from outside"):
        refuse_overlap(replace(fold, inner=((fold.test, validation),)), people)


def test_that_too_few_are_refused_with_the_number_needed():
    labels = np.arange(30) < 5
    with pytest.raises(AppError, match=r"5 responders and 25 .* at least 8 of each") as refused:
        nested_splits([str(i) for i in range(30)], labels, ["a"] * 30, outer_folds=5,
                      inner_folds=4, repeats=1, seed=0)  # fmt: skip
    assert refused.value.hint == "Add people."  # no number of folds would do
    labels = np.arange(20) < 9
    with pytest.raises(AppError, match="need at least 16 of each") as refused:
        nested_splits([str(i) for i in range(20)], labels, ["a"] * 20, outer_folds=2,
                      inner_folds=2, repeats=1, seed=0)  # fmt: skip
    assert "plan 5 outer and 4 inner folds" in refused.value.hint
    nested_splits([str(i) for i in range(20)], labels, ["a"] * 20, outer_folds=5, inner_folds=4,
                  repeats=1, seed=0)  # fmt: skip
    labels = np.arange(30) < 8
    splits = nested_splits([str(i) for i in range(30)], labels, ["a"] * 30, outer_folds=5,
                           inner_folds=4, repeats=1, seed=0)  # fmt: skip
    fewest = min(labels[inside].sum() for fold in splits for inside, _ in fold.inner)
    assert fewest >= 4


def test_that_a_person_of_two_labels_is_refused():
    with pytest.raises(AppError, match="responder in one row"):
        nested_splits(["a", "a", *map(str, range(40))], np.arange(42) % 2 == 0, ["s"] * 42,
                      outer_folds=2, inner_folds=2, repeats=1, seed=0)  # fmt: skip


def test_that_sites_are_left_out_one_by_one():
    _, people, labels, sites = drawn(count=120)
    splits = site_splits(people, labels, sites, inner_folds=4, seed=1)
    assert [sorted(set(sites[fold.test])) for fold in splits] == [["a"], ["b"]]
    assert all(not set(sites[f.training]) & set(sites[f.test]) for f in splits)
    assert site_splits(people, labels, ["one"] * len(people), inner_folds=4, seed=1) is None
