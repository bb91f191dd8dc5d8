"""Nested nodes: exact as Patterson's rules are, and each keeps the nodes of the one before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from app.attribution.nested_nodes import NESTED_COUNTS, nested_rule


@pytest.mark.parametrize("count", NESTED_COUNTS)
def test_that_a_rule_is_exact_to_its_degree_and_no_further(count):
    nodes, weights = (np.array(part) for part in nested_rule(count))
    degree = 5 if count == 3 else (3 * count + 1) // 2
    for power in range(degree + 1):
        assert (weights * nodes**power).sum() == pytest.approx(1 / (power + 1), abs=1e-14)
    # shifted to -1..1 the first even power beyond is the first that misses
    even = degree + 1 if degree % 2 else degree + 2
    missed = (weights * (2 * nodes - 1) ** even).sum() - 1 / (even + 1)
    assert count > 15 or abs(missed) > 1e-9


def test_that_every_rule_keeps_the_nodes_of_the_one_before_bit_for_bit():
    for few, many in pairwise(NESTED_COUNTS):
        assert set(nested_rule(few)[0]) <= set(nested_rule(many)[0])


def test_that_weights_are_positive_and_nodes_lie_inside():
    for count in NESTED_COUNTS:
        nodes, weights = nested_rule(count)
        assert min(weights) > 0.0
        assert 0.0 < min(nodes) < max(nodes) < 1.0


def test_that_another_count_is_refused():
    with pytest.raises(ValueError, match="8 nodes"):
        nested_rule(8)
