"""Training the trainable part of FMM_TC: corrected, and as released.

Corrected: gradient descent and AdamW (`FmmTcTraining`) with a cosine schedule, gradients reset
at every step, one random window a person and epoch, validation on an inner fold by mean
log-loss over whole scans; the epoch with the least loss (the first of equals) wins, its weights
are deep-copied. Early stopping sees the inner fold only; whoever is outside `fit` is never
seen.

Released: gradients are reset once an epoch, so that every step uses the sum over all batches so
far; a random window and a fresh seeded token order every time; the last epoch counts.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from app.core.arrays import Bools, Ints
from app.models.fmm_tc_condensed import Condensed, FixedFeatures, condensed
from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_people_ready import Inputs, TrainingPeople
from app.models.fmm_tc_settings import FmmTcTraining

READING = ("fusion.linear", "fusion.heads", "fusion.project")  # layers on branches' features
AfterEpoch = Callable[[int, nn.Module], None]


def _nothing(_epoch: int, _module: nn.Module) -> None:
    return None


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """How one member was trained."""

    inner_fold: int  # -1 = nobody held back
    best_epoch: int  # from 1
    epochs: int  # that were run
    losses: tuple[float, ...]  # of the validation people, an epoch


def inner_fold_of(labels: Bools, count: int, seed: int) -> Ints:
    """Inner fold of each person; classes spread evenly, order from the seed."""
    rng = np.random.default_rng([seed, 23])
    fold, offset = np.empty(len(labels), int), 0
    for value in (True, False):
        members = rng.permutation(np.flatnonzero(labels == value))
        fold[members] = (np.arange(len(members)) + offset) % count
        offset += len(members)
    return fold


def batches_of(people: Ints, size: int, rng: np.random.Generator) -> list[Ints]:
    """People in seeded random order, `size` at a time; nobody is left out or alone.

    A single person at the end joins the batch before: batch statistics of one are none.
    """
    order = rng.permutation(people)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def run_epoch(
    losses: Iterator[Tensor],
    optimisers: Sequence[torch.optim.Optimizer],
    *,
    summed_gradients: bool,
) -> None:
    """One step a batch; with `summed_gradients` each step adds to the epoch's gradients."""
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    for loss in losses:
        if not summed_gradients:
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()


@dataclass(frozen=True, slots=True)
class Optimisers:
    """Gradient descent for the layers on branches' features, AdamW for the rest."""

    each: tuple[torch.optim.Optimizer, ...]
    schedules: tuple[torch.optim.lr_scheduler.LRScheduler, ...]

    @classmethod
    def of(cls, module: nn.Module, training: FmmTcTraining) -> Optimisers:
        """With the cosine schedule of `training`, to be stepped once an epoch."""
        named = [(name, one) for name, one in module.named_parameters() if one.requires_grad]
        reading = [one for name, one in named if name.startswith(READING)]
        inner = [one for name, one in named if not name.startswith(READING)]
        found: list[torch.optim.Optimizer] = []
        if training.momentum > 0 and reading:
            found.append(torch.optim.SGD(reading, training.learning_rate, training.momentum))
        groups = [{"params": inner, "lr": training.inner_learning_rate}]
        if training.momentum == 0:
            groups.append({"params": reading, "lr": training.learning_rate})
        groups = [group for group in groups if group["params"]]
        if groups:
            found.append(torch.optim.AdamW(groups, weight_decay=training.weight_decay))

        def share(epoch: int) -> float:
            done = min(epoch, training.epochs) / training.epochs
            cosine = 0.5 * (1.0 + math.cos(math.pi * done))
            return training.final_share + (1.0 - training.final_share) * cosine

        schedules = tuple(torch.optim.lr_scheduler.LambdaLR(one, share) for one in found)
        return cls(tuple(found), schedules)

    def next_epoch(self) -> None:
        """Move the rates along the cosine."""
        for schedule in self.schedules:
            schedule.step()


def validation_loss(
    module: FmmTcModule | FixedFeatures, people: TrainingPeople, chosen: Ints
) -> float:
    """Mean log-loss of the mean log-odds over each person's windows."""
    module.eval()
    counts = [1 if people.windows is None else len(people.windows[i]) for i in chosen]
    rows = np.repeat(chosen, counts)
    picks = np.concatenate([np.arange(count) for count in counts])
    with torch.no_grad():
        features = module.features(people.inputs(rows, picks), people.places, people.orders)
        each = module.fusion(features).double().cpu().numpy()
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    log_odds = np.add.reduceat(each, starts) / counts
    signs = np.where(people.labels.cpu().numpy()[chosen] > 0.5, 1.0, -1.0)
    return float(np.logaddexp(0.0, -signs * log_odds).mean())


def train_member(
    module: FmmTcModule,
    people: TrainingPeople,
    inside: Ints,
    validation: Ints,
    training: FmmTcTraining,
    *,
    inner_fold: int,
    seed: int,
    after_epoch: AfterEpoch = _nothing,
    ready: Condensed | None = None,
) -> MemberRecord:
    """Train one member; the module ends with the weights of the best epoch.

    Parameters
    ----------
    module
        With seeded start values and fitted statistics; changed in place.
    people
        All training people.
    inside, validation
        Who is learnt from, and who decides when to stop; disjoint.
    training
        Epochs, patience, batch and rates.
    inner_fold, seed
        Recorded; the seed fixes the order of people and the windows.
    after_epoch
        Told the epoch (from 1) and what is trained (the module, or its condensed form); may
        raise to cancel.
    ready
        The untrained condensed form of this module, where it is known already.
    """
    rng = np.random.default_rng([seed, inner_fold + 1, 29])
    small = ready or condensed(module, people, training.momentum, seed + inner_fold)
    work: FmmTcModule | FixedFeatures = module if small is None else small.module
    people = people if small is None else small.people
    optimisers = Optimisers.of(work, training)
    best, best_epoch, losses = math.inf, 0, list[float]()
    kept = copy.deepcopy(work.state_dict())

    def batch_losses() -> Iterator[Tensor]:
        for batch in batches_of(inside, training.batch, rng):
            picks = None
            if people.windows is not None:
                picks = np.array([rng.integers(len(people.windows[i])) for i in batch])
            features = work.features(people.inputs(batch, picks), people.places, people.orders)
            yield work.fusion.loss(features, people.labels[torch.from_numpy(batch)])

    for epoch in range(1, training.epochs + 1):
        work.train()
        run_epoch(batch_losses(), optimisers.each, summed_gradients=training.summed_gradients)
        optimisers.next_epoch()
        losses.append(validation_loss(work, people, validation))
        after_epoch(epoch, work)
        if losses[-1] < best:
            best, best_epoch = losses[-1], epoch
            kept = copy.deepcopy(work.state_dict())
        elif epoch - best_epoch >= training.patience:
            break
    work.load_state_dict(kept)
    if small is not None:
        small.restore(module)
    module.eval()
    return MemberRecord(inner_fold, best_epoch, len(losses), tuple(losses))


def train_released(
    module: FmmTcModule,
    draw: Callable[[Ints, np.random.Generator], Inputs],
    labels: Tensor,
    training: FmmTcTraining,
    *,
    seed: int,
    places: Tensor | None,
    draw_orders: Callable[[], Tensor | None],
    after_epoch: AfterEpoch = _nothing,
) -> MemberRecord:
    """Train as released: `draw` gives a batch's inputs with new random windows."""
    rng = np.random.default_rng([seed, 31])
    optimisers = Optimisers.of(module, training)
    everybody = np.arange(len(labels))

    def batch_losses() -> Iterator[Tensor]:
        for batch in batches_of(everybody, training.batch, rng):
            orders = draw_orders() if module.trains_encoder else None
            features = module.features(draw(batch, rng), places, orders)
            yield module.fusion.loss(features, labels[torch.from_numpy(batch)])

    for epoch in range(1, training.epochs + 1):
        module.train()
        run_epoch(batch_losses(), optimisers.each, summed_gradients=training.summed_gradients)
        optimisers.next_epoch()
        after_epoch(epoch, module)
    module.eval()
    return MemberRecord(-1, training.epochs, training.epochs, ())
