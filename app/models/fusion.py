"""How branches become one log-odds: joined, averaged late, or gated.

* `concat`: one linear layer over the joined features (with two outputs and cross-entropy as
  released, or one output): a sum over branches, so each branch's share is exact;
* `late`: every branch has an own output that is trained on its own; the log-odds is their mean,
  also a sum;
* `gated`: branches are projected to a common width and weighted by a gate that sees all of them
  (gated multimodal unit, Arevalo et al. 2017, arXiv 1702.01992): no sum, so shares come from
  Shapley values (`shapley`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

GATED_WIDTH = 16

Features = dict[str, Tensor]  # branch -> (person, width)


class Concat(nn.Module):
    """One linear layer over joined features; `outputs` 2 with cross-entropy as released."""

    additive = True

    def __init__(self, widths: Mapping[str, int], outputs: int = 1) -> None:
        super().__init__()
        self.widths = dict(widths)
        self.linear = nn.Linear(sum(widths.values()), outputs)
        if outputs == 1:  # nothing is known before training
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def _logits(self, features: Features) -> Tensor:
        joined = torch.cat([features[name] for name in self.widths], dim=1)
        logits: Tensor = self.linear(joined)
        return logits

    def forward(self, features: Features) -> Tensor:
        """Log-odds, (person,)."""
        logits = self._logits(features)
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]

    def loss(self, features: Features, labels: Tensor) -> Tensor:
        """Mean cross-entropy over people; `labels` (person,) of 0 and 1, float."""
        logits = self._logits(features)
        if logits.shape[1] == 2:
            return functional.cross_entropy(logits, labels.long())
        return functional.binary_cross_entropy_with_logits(logits[:, 0], labels)

    def parts(self, features: Features) -> dict[str, Tensor]:
        """What each branch adds, (person,), and "bias"; their sum is the log-odds."""
        found = {name: self.part(name, features[name]) for name in self.widths}
        bias: Tensor = self.linear.bias
        bias = bias[1:] - bias[:1] if len(bias) == 2 else bias
        return found | {"bias": bias.expand(len(next(iter(found.values()))))}

    def part(self, name: str, rows: Tensor) -> Tensor:
        """What one branch's features (person, width) add, (person,)."""
        weight: Tensor = self.linear.weight
        weight = weight[1] - weight[0] if len(weight) == 2 else weight[0]
        pieces = torch.split(weight, list(self.widths.values()))
        return rows @ dict(zip(self.widths, pieces, strict=True))[name]


def _silent_head(width: int) -> nn.Linear:
    head = nn.Linear(width, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


class Late(nn.Module):
    """Mean of the branches' own log-odds, each trained by itself."""

    additive = True

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: _silent_head(width) for name, width in widths.items()})

    def _each(self, features: Features) -> Features:
        return {name: head(features[name])[:, 0] for name, head in self.heads.items()}

    def forward(self, features: Features) -> Tensor:
        """Log-odds, (person,)."""
        return torch.stack(list(self._each(features).values())).mean(dim=0)

    def loss(self, features: Features, labels: Tensor) -> Tensor:
        """Sum over branches of each one's own mean cross-entropy."""
        each = self._each(features).values()
        return torch.stack(
            [functional.binary_cross_entropy_with_logits(one, labels) for one in each]
        ).sum()

    def parts(self, features: Features) -> dict[str, Tensor]:
        """What each branch adds, (person,), and "bias"."""
        found = {name: self.part(name, rows) for name, rows in features.items()}
        return found | {"bias": self(features) - torch.stack(list(found.values())).sum(dim=0)}

    def part(self, name: str, rows: Tensor) -> Tensor:
        """What one branch's features (person, width) add, (person,)."""
        head = self.heads[name]
        silent = head(torch.zeros_like(rows[:1]))
        answer: Tensor = (head(rows) - silent)[:, 0] / len(self.heads)
        return answer


class Gated(nn.Module):
    """Projected branches, weighted by a softmax gate that sees all branches."""

    additive = False

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.project = nn.ModuleDict(
            {name: nn.Linear(width, GATED_WIDTH) for name, width in widths.items()}
        )
        self.gate = nn.Linear(GATED_WIDTH * len(widths), len(widths))
        self.head = nn.Linear(GATED_WIDTH, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def weights(self, features: Features) -> Tensor:
        """The gate's weight of each branch, (person, branch), sums to 1."""
        return self._gated(features)[1]

    def _gated(self, features: Features) -> tuple[Tensor, Tensor]:
        hidden = [torch.tanh(layer(features[name])) for name, layer in self.project.items()]
        gate = torch.softmax(self.gate(torch.cat(hidden, dim=1)), dim=1)
        mixed = torch.einsum("bm,bmk->bk", gate, torch.stack(hidden, dim=1))
        return mixed, gate

    def forward(self, features: Features) -> Tensor:
        """Log-odds, (person,)."""
        answer: Tensor = self.head(self._gated(features)[0])[:, 0]
        return answer

    def loss(self, features: Features, labels: Tensor) -> Tensor:
        """Mean cross-entropy over people."""
        return functional.binary_cross_entropy_with_logits(self(features), labels)


Fusion = Concat | Late | Gated


def make_fusion(kind: str, widths: Mapping[str, int], *, outputs: int = 1) -> Fusion:
    """The fusion of that name."""
    if kind == "concat":
        return Concat(widths, outputs)
    return Late(widths) if kind == "late" else Gated(widths)


def shapley(players: Sequence[str], value: Callable[[frozenset[str]], float]) -> dict[str, float]:
    """Shapley values of a small game; they sum to ``value(all) - value(none)``.

    Shapley 1953. `value` gives the log-odds when the named branches show the person and all
    others show the training reference.
    """
    known = {
        frozenset(group): value(frozenset(group))
        for size in range(len(players) + 1)
        for group in itertools.combinations(players, size)
    }
    count = len(players)
    found = {}
    for player in players:
        others = [one for one in players if one != player]
        total = 0.0
        for size in range(count):
            weight = 1.0 / (count * math.comb(count - 1, size))
            for group in itertools.combinations(others, size):
                before = frozenset(group)
                total += weight * (known[before | {player}] - known[before])
        found[player] = total
    return found
