"""What the released protocols reach where nothing can be learnt, beside this program's own.

Labels are drawn at random in every repeat, so every honest figure is chance. The same small
network (one linear layer on module-to-module correlations, AdamW with a cosine, batches of 8, 100
epochs, gradients summed over the epoch as released) is trained in every arm; the arms differ in
nothing but which people choose what:

* *best epoch on the reported fold* (FMM_TC as released): unshuffled folds, the epoch with the
  largest MCC on the very fold that is reported;
* *positions of the wrong list* (its successor as released): positions of the inner split, which
  count within the outer training people, applied to the whole cohort, last epoch;
* *last epoch*: no choice at all;
* *this program*: shuffled nested splits, the epoch with the least log-loss on inner folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from app.cohort.experiments.ledger import Ledger, Record
from app.cohort.learn.splits import nested_splits
from app.cohort.logistic import sigmoid
from app.cohort.metrics import auroc, log_loss, matthews
from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.core.provenance import array_sha256

RELEASED, SLIPPED, LAST, OURS = "best-on-test", "wrong-positions", "last-epoch", "nested"
ARMS: tuple[tuple[str, str], ...] = (
    (RELEASED, "Released: best epoch on the reported fold"),
    (SLIPPED, "Released successor: positions of the wrong list"),
    (LAST, "Last epoch, no choice"),
    (OURS, "This program: epoch chosen on inner folds"),
)
BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True, slots=True)
class LeakSettings:
    """How often and how; recorded."""

    repeats: int = 100
    outer_folds: int = 5
    inner_folds: int = 4
    epochs: int = 100
    batch: int = 8
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    responder_share: float = 0.45
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LeakResult:
    """Figures of each repeat, by arm: means over the reported folds, as released code reports."""

    mcc: dict[str, Floats]  # arm -> (repeat,)
    auroc: dict[str, Floats]
    test_in_training: float  # share of test people among the training people of `SLIPPED`
    people: int
    features: int
    settings: LeakSettings


def run_leak(
    features: Floats, settings: LeakSettings, folder: Path, progress: Progress
) -> LeakResult:
    """All repeats; goes on where it stopped.

    Parameters
    ----------
    features
        (person, feature) of people to whom random labels are given.
    settings
        Repeats, folds, training.
    folder
        Keeps what was done.
    progress
        Told after each repeat; may cancel.
    """
    ledger = Ledger(folder, "leak", [asdict(settings) | {"repeats": 0}, array_sha256(features)])
    keys = [str(number) for number in range(settings.repeats)]
    records = ledger.all_of(
        keys, lambda key: one_repeat(features, int(key), settings, progress), progress
    )
    names = [name for name, _ in ARMS]
    return LeakResult(
        {name: np.array([record[name][0] for record in records]) for name in names},
        {name: np.array([record[name][1] for record in records]) for name in names},
        float(np.mean([record["test_in_training"] for record in records])),
        len(features),
        features.shape[1],
        settings,
    )


def one_repeat(features: Floats, number: int, settings: LeakSettings, progress: Progress) -> Record:
    """Random labels once, all arms: arm -> (MCC, AUROC), means over the outer folds."""
    rng = np.random.default_rng([settings.seed, number, 51])
    count = len(features)
    labels: Bools = np.zeros(count, np.bool_)
    labels[rng.permutation(count)[: round(settings.responder_share * count)]] = True
    found: Record = {}
    figures: dict[str, list[list[float]]] = {name: [] for name, _ in ARMS}
    for training, test in unshuffled_folds(labels, settings.outer_folds):
        path = _trained(features, labels, training, settings, rng)
        scores = path.log_odds(features[test])  # (epoch, test person)
        mcc = [matthews(sigmoid(row), labels[test], 0.5) for row in scores]
        figures[RELEASED].append(_figures(scores[int(np.argmax(mcc))], labels[test]))
        figures[LAST].append(_figures(scores[-1], labels[test]))
        progress.step(0.0)
    splits = nested_splits(
        [str(person) for person in range(count)],
        labels,
        ["one site"] * count,
        outer_folds=settings.outer_folds,
        inner_folds=settings.inner_folds,
        repeats=1,
        seed=settings.seed * 100_003 + number,
    )
    inside = []
    for fold in splits:
        losses = np.zeros(settings.epochs)
        for inner_training, validation in fold.inner:
            path = _trained(features, labels, inner_training, settings, rng)
            rows = sigmoid(path.log_odds(features[validation]))
            losses += [log_loss(row, labels[validation]) * len(validation) for row in rows]
        path = _trained(features, labels, fold.training, settings, rng)
        scores = path.log_odds(features[fold.test])[int(np.argmin(losses))]
        figures[OURS].append(_figures(scores, labels[fold.test]))
        wrong = wrong_positions(fold.training, fold.inner[0][0])
        inside.append(float(np.isin(fold.test, wrong).mean()))
        path = _trained(features, labels, wrong, settings, rng)
        scores = path.log_odds(features[fold.test])[-1]
        figures[SLIPPED].append(_figures(scores, labels[fold.test]))
        progress.step(0.0)
    found |= {name: np.mean(rows, axis=0).tolist() for name, rows in figures.items()}
    found["test_in_training"] = float(np.mean(inside))
    return found


def unshuffled_folds(labels: Bools, count: int) -> list[tuple[Ints, Ints]]:
    """(training, test) of stratified folds in the order of the file, as released."""
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(count, shuffle=False)
    return list(splitter.split(np.zeros(len(labels)), labels))


def wrong_positions(training: Ints, inner_training: Ints) -> Ints:
    """The successor's slip: places within the outer training people, used as rows of everybody."""
    place = {int(row): number for number, row in enumerate(training)}
    return np.array([place[int(row)] for row in inner_training])


@dataclass(frozen=True, slots=True)
class _Path:
    """Weights after each epoch, and the scaling of the training people."""

    mean: Floats
    spread: Floats
    weights: Floats  # (epoch, feature)
    bias: Floats  # (epoch,)

    def log_odds(self, rows: Floats) -> Floats:
        """(epoch, person)."""
        return np.asarray(self.weights @ ((rows - self.mean) / self.spread).T + self.bias[:, None])


def _trained(
    features: Floats, labels: Bools, people: Ints, settings: LeakSettings, rng: np.random.Generator
) -> _Path:
    rows, y = features[people], labels[people].astype(float)
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    x = np.hstack([(rows - mean) / spread, np.ones((len(rows), 1))])
    w = rng.normal(0.0, 1.0 / np.sqrt(x.shape[1]), x.shape[1])
    first, second, steps = np.zeros_like(w), np.zeros_like(w), 0
    kept = np.empty((settings.epochs, len(w)))
    for epoch in range(settings.epochs):
        rate = settings.learning_rate * 0.5 * (1 + np.cos(np.pi * epoch / settings.epochs))
        total = np.zeros_like(w)  # reset once an epoch, as released
        for batch in _batches(rng.permutation(len(x)), settings.batch):
            total += x[batch].T @ (sigmoid(x[batch] @ w) - y[batch]) / len(batch)
            steps += 1
            first = BETAS[0] * first + (1 - BETAS[0]) * total
            second = BETAS[1] * second + (1 - BETAS[1]) * total**2
            step = (first / (1 - BETAS[0] ** steps)) / (
                np.sqrt(second / (1 - BETAS[1] ** steps)) + EPSILON
            )
            w = w - rate * (step + settings.weight_decay * w)
        kept[epoch] = w
    return _Path(mean, spread, kept[:, :-1], kept[:, -1])


def _batches(order: Ints, size: int) -> Sequence[Ints]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def _figures(scores: Floats, labels: Bools) -> list[float]:
    return [matthews(sigmoid(scores), labels, 0.5), auroc(scores, labels)]
