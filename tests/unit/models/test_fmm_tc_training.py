"""Training loops: summed gradients by hand, best epoch kept, batches, folds."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.models.fmm_tc_condensed import FixedFeatures, condensed
from app.models.fmm_tc_module import FmmTcModule, made
from app.models.fmm_tc_people_ready import TrainingPeople
from app.models.fmm_tc_settings import RELEASED_TRAINING, FmmTcSettings, FmmTcTraining
from app.models.fmm_tc_training import (
    Optimisers,
    batches_of,
    inner_fold_of,
    run_epoch,
    train_member,
    validation_loss,
)


def _linear() -> torch.nn.Linear:
    layer = torch.nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -1.0]]))
    return layer


BATCHES = [torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[3.0, -1.0]]).double()]


@pytest.mark.parametrize("summed", [True, False])
def test_that_gradients_add_up_over_the_epoch_only_as_released(summed):
    layer = _linear()
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    losses = (0.5 * layer(one).square().sum() for one in BATCHES)
    run_epoch(losses, [optimiser], summed_gradients=summed)
    w = np.array([0.5, -1.0])
    x1, x2 = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    first = (w @ x1) * x1  # gradient of half the square
    w = w - 0.1 * first
    second = (w @ x2) * x2
    w = w - 0.1 * (first + second if summed else second)
    np.testing.assert_allclose(layer.weight.detach().numpy()[0], w)


def test_that_rates_follow_the_cosine_down_to_the_last_epoch():
    layer = torch.nn.ModuleDict({"inner": torch.nn.Linear(2, 1)})
    optimisers = Optimisers.of(layer, RELEASED_TRAINING)
    (optimiser,) = optimisers.each
    assert isinstance(optimiser, torch.optim.AdamW)
    rates = []
    for _ in range(RELEASED_TRAINING.epochs):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        optimisers.next_epoch()
    rates.append(optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(5e-4)
    assert rates[50] == pytest.approx(0.5 * (5e-4 + 1e-7))
    assert rates[100] == pytest.approx(1e-7)


def test_that_layers_on_features_and_the_rest_have_their_own_rates():
    module = FmmTcModule(
        FmmTcSettings.corrected(branches=("connectivity",), connectivity_encoder="compact"), 6, None
    )
    training = FmmTcTraining(learning_rate=0.3, inner_learning_rate=0.01)
    descent, adam = Optimisers.of(module, training).each
    assert isinstance(descent, torch.optim.SGD)
    assert isinstance(adam, torch.optim.AdamW)
    for one, rate, size in ((descent, 0.3, 33), (adam, 0.01, module.trainable_count() - 33)):
        (group,) = one.param_groups
        assert group["lr"] == rate
        assert sum(p.numel() for p in group["params"]) == size


def test_that_nobody_is_left_out_or_alone():
    rng = np.random.default_rng(0)
    for count, sizes in ((24, [8, 8, 8]), (25, [8, 8, 9]), (26, [8, 8, 8, 2]), (1, [1])):
        batches = batches_of(np.arange(100, 100 + count), 8, rng)
        assert [len(one) for one in batches] == sizes
        assert sorted(np.concatenate(batches)) == list(range(100, 100 + count))


def test_that_inner_folds_spread_both_classes_and_repeat():
    labels = np.array([True] * 9 + [False] * 15)
    fold = inner_fold_of(labels, 4, 2)
    assert np.ptp(np.bincount(fold)) <= 1
    assert np.ptp(np.bincount(fold[labels])) <= 1
    np.testing.assert_array_equal(fold, inner_fold_of(labels, 4, 2))
    assert not np.array_equal(fold, inner_fold_of(labels, 4, 3))


def _problem(**changes: str) -> tuple[FmmTcModule, TrainingPeople, FmmTcTraining]:
    """Noise alone: the best epoch comes early, the last one is overfitted."""
    settings = FmmTcSettings.corrected(branches=("connectivity",), **changes)
    rng = np.random.default_rng(6)
    noise = rng.standard_normal((30, 9, 9)).astype(np.float32)
    matrices = torch.from_numpy(noise + noise.transpose(0, 2, 1))
    labels = torch.from_numpy((np.arange(30) % 2).astype(np.float32))
    people = TrainingPeople(None, matrices, None, labels, None, None)
    module = made(settings, 9, None, 1)
    module.fit_statistics(None, matrices, None)
    training = FmmTcTraining(epochs=30, patience=30, batch=8, learning_rate=0.5)
    return module, people, training


def test_that_the_best_epochs_weights_are_kept_and_differ_from_the_last():
    module, people, training = _problem(connectivity_encoder="compact")
    seen: list[dict[str, torch.Tensor]] = []
    record = train_member(
        module,
        people,
        np.arange(20),
        np.arange(20, 30),
        training,
        inner_fold=0,
        seed=4,
        after_epoch=lambda _epoch, now: seen.append(copy.deepcopy(now.state_dict())),
    )
    assert record.epochs == len(record.losses) == len(seen) == 30
    assert record.best_epoch == 1 + int(np.argmin(record.losses)) < 30
    kept = module.state_dict()
    for key, value in seen[record.best_epoch - 1].items():
        assert torch.equal(kept[key], value), key
    assert not torch.equal(kept["fusion.linear.weight"], seen[-1]["fusion.linear.weight"])
    loss = validation_loss(module, people, np.arange(20, 30))
    assert loss == min(record.losses)


def test_that_patience_ends_training():
    module, people, training = _problem()
    record = train_member(
        module,
        people,
        np.arange(20),
        np.arange(20, 30),
        replace(training, patience=3),
        inner_fold=0,
        seed=4,
    )
    assert record.epochs == record.best_epoch + 3 < 30


def test_that_validation_averages_a_persons_windows_first():
    settings = FmmTcSettings.corrected(branches=("connectivity",))
    module = made(settings, 3, None, 1)
    with torch.no_grad():
        module.fusion.linear.weight.copy_(torch.tensor([[1.0, 0.0, 0.0]]))
    # windows of different people: the same matrix read once a window
    matrices = torch.zeros(2, 3, 3)
    matrices[0, 0, 1] = matrices[0, 1, 0] = 2.0
    windows = [torch.zeros(3, 1), torch.zeros(1, 1)]
    labels = torch.tensor([1.0, 0.0])
    people = TrainingPeople(windows, matrices, None, labels, None, None)

    class WithoutSeries(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fusion = module.fusion

        def features(self, inputs, places, orders):
            assert inputs["series"].shape == (4, 1)
            return module.features({"connectivity": inputs["connectivity"]})

    expected = 0.5 * (np.log1p(np.exp(-2.0)) + np.log(2.0))
    assert validation_loss(WithoutSeries(), people, np.arange(2)) == pytest.approx(expected)


@pytest.mark.parametrize("fusion", ["concat", "late"])
def test_that_the_condensed_problem_takes_the_same_steps(fusion, monkeypatch):
    weights = []
    for whole in (False, True):
        module, people, training = _problem(fusion=fusion)
        rows = module.connectivity.upper(people.connectivity)[:25]
        wide = torch.cat([rows, rows[:5]])  # five people twice: rank 25 of 36 pairs
        people = replace(people, connectivity=wide)
        small = condensed(module, people, 0.9, 1)
        assert isinstance(small.module, FixedFeatures)
        assert small.people.connectivity.shape == (30, 25)  # people and rank
        if whole:
            monkeypatch.setattr("app.models.fmm_tc_training.condensed", lambda *_: None)
        record = train_member(
            module,
            people,
            np.arange(20),
            np.arange(20, 30),
            replace(training, epochs=8),
            inner_fold=0,
            seed=4,
        )
        loss = validation_loss(module, people, np.arange(20, 30))
        assert loss == pytest.approx(min(record.losses), abs=1e-5)
        weights.append(torch.cat([p.detach().flatten() for p in module.fusion.parameters()]))
    assert float(weights[0].abs().max()) > 0.1
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-5)


def test_that_only_frozen_branches_are_condensed():
    module, people, _ = _problem(connectivity_encoder="compact")
    assert condensed(module, people, 0.9, 1) is None
    module, people, _ = _problem()
    assert condensed(module, people, 0.0, 1).module.fusion is module.fusion  # AdamW: as it is


def test_that_a_condensed_gate_is_the_same_function_when_it_is_put_back():
    module, people, training = _problem(fusion="gated")
    record = train_member(
        module,
        people,
        np.arange(20),
        np.arange(20, 30),
        replace(training, epochs=6, learning_rate=0.2),
        inner_fold=0,
        seed=4,
    )
    loss = validation_loss(module, people, np.arange(20, 30))
    assert loss == pytest.approx(min(record.losses), abs=1e-5)
    assert float(module.fusion.project["connectivity"].weight.detach().abs().max()) > 0
