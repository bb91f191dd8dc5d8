"""How a small network is trained here: epochs chosen by inner folds, then once on everybody.

The released training loops of this field keep the epoch that scores best on the fold that is
reported. Here each inner fold trains on its own people and the others judge after every epoch; the
epoch with the least mean log-loss counts, and a fresh network is trained on all people given for
just so long. Nobody outside `fit` has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.models.baselines.people import class_weights, inner_folds, log_loss
from app.models.device import fixed_threads


@dataclass(frozen=True, slots=True)
class Training:
    """Of one network; AdamW at a constant rate."""

    epochs: int = 60  # at most
    patience: int = 10  # an inner fold that has not improved for so many epochs stops
    folds: int = 3
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class TrainingPeople(Protocol):
    """Prepared inputs of training people."""

    def draw(self, people: Ints, rng: np.random.Generator) -> Tensor:
        """A batch of network inputs, one a person (a random crop where the input is a series)."""

    def judge(self, network: nn.Module, person: int) -> float:
        """Log-odds of one person, as at prediction time."""


class Network(nn.Module):
    """Inputs (batch, …) -> log-odds (batch,); its last layer is called `last`."""

    last: nn.Linear


def train(
    make: Callable[[], Network],
    people: TrainingPeople,
    labels: Bools,
    training: Training,
    seed: int,
    progress: Progress,
) -> tuple[Network, int]:
    """Choose the number of epochs, then train on everybody.

    Parameters
    ----------
    make
        A fresh network, drawn from torch's generator.
    people, labels
        Everybody given to `fit`.
    training
        Rates and limits.
    seed
        Fixes initial weights, drop-out, batches and crops.
    progress
        Told after each epoch; a cancel takes hold there.

    Returns
    -------
    network in eval mode without weight gradients, and the number of epochs chosen.
    """
    everyone = np.arange(len(labels))
    folds = inner_folds(labels, seed, training.folds)
    rounds = len(folds) + 1
    scores = np.empty((training.epochs, len(labels)))
    with one_thread(), _own_generator():
        for number, (inside, outside) in enumerate(folds):
            network = _started(make, seed)
            for epoch in _epochs(network, people, inside, labels, training, training.epochs, seed):
                network.eval()
                with torch.no_grad():
                    scores[epoch:, outside] = [people.judge(network, int(i)) for i in outside]
                judged = [log_loss(row[outside], labels[outside]) for row in scores[: epoch + 1]]
                done = (number + (epoch + 1) / training.epochs) / rounds
                progress.step(done, f"epochs, inner fold {number + 1} of {len(folds)}")
                if epoch - int(np.argmin(judged)) >= training.patience:
                    break  # its later epochs count as its last
        losses = [log_loss(row, labels) for row in scores]
        chosen = int(np.argmin(losses)) + 1
        network = _started(make, seed)
        for epoch in _epochs(network, people, everyone, labels, training, chosen, seed):
            progress.step((len(folds) + (epoch + 1) / chosen) / rounds, "training on everybody")
    network.eval().requires_grad_(False)
    return network, chosen


@contextmanager
def one_thread() -> Iterator[None]:
    """Deterministic torch on one core: the networks are small, waiting for another thread costs
    more than it does, and folds run side by side in processes of their own."""
    with fixed_threads():
        torch.set_num_threads(1)  # `fixed_threads` puts the old number back
        yield


@contextmanager
def _own_generator() -> Iterator[None]:
    """torch's global generator comes back as it was."""
    with torch.random.fork_rng(devices=[]):
        yield


def _started(make: Callable[[], Network], seed: int) -> Network:
    """Initial weights from the seed, the last bias at even odds."""
    torch.manual_seed(seed)
    network = make()
    with torch.no_grad():
        network.last.bias.zero_()
    return network


def _epochs(
    network: Network,
    people: TrainingPeople,
    inside: Ints,
    labels: Bools,
    training: Training,
    count: int,
    seed: int,
) -> Iterator[int]:
    """Train epoch by epoch; yields after each."""
    rng = np.random.default_rng([seed, 1])
    target = torch.from_numpy(labels.astype(np.float32))
    weights = np.zeros(len(labels), np.float32)
    weights[inside] = class_weights(labels[inside])
    weight = torch.from_numpy(weights)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    for epoch in range(count):
        network.train()
        order = rng.permutation(inside)
        for start in range(0, len(order), training.batch):
            batch = order[start : start + training.batch]
            optimiser.zero_grad(set_to_none=True)
            log_odds = network(people.draw(batch, rng))
            loss = functional.binary_cross_entropy_with_logits(
                log_odds, target[batch], weight[batch]
            )
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        yield epoch


def all_finite(network: nn.Module) -> bool:
    """Whether training stayed on the rails."""
    return all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


def as_floats(values: Tensor) -> Floats:
    """Detached numpy."""
    return np.asarray(values.detach().cpu().numpy())
