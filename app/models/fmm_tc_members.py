"""The members of one fit of FMM_TC: one an inner fold, each stopped by the people of that fold."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch

from app.core.arrays import Floats, Ints
from app.core.progress import Progress
from app.models.fmm_tc_condensed import Condensed, condensed
from app.models.fmm_tc_module import FmmTcModule, made
from app.models.fmm_tc_people_ready import TrainingPeople
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fmm_tc_training import MemberRecord, train_member
from app.models.fusion import Gated
from app.models.series_encoder import EncoderSource


def train_members(
    settings: FmmTcSettings,
    source: EncoderSource | None,
    parcels: int,
    people: TrainingPeople,
    inner_fold: Ints,
    scaler: Floats | None,
    *,
    seed: int,
    progress: Progress,
) -> tuple[list[FmmTcModule], list[MemberRecord]]:
    """Train every member on all people but those of its inner fold.

    Parameters
    ----------
    settings, source, parcels
        What a member is made of.
    people
        All training people.
    inner_fold
        (person,) who decides when which member stops; rows of one person lie in one fold.
    scaler
        (person, 45) volumes whose spread scales that branch, or None.
    seed, progress
        Of start values, batches and windows; told after each epoch, in the second half of a stage.
    """
    training, device = settings.training, people.labels.device
    members: list[FmmTcModule] = []
    records: list[MemberRecord] = []
    shared: tuple[FmmTcModule, Condensed] | None = None
    for number in range(training.members):
        if shared is None:
            module = made(settings, parcels, source, seed + number).to(device)
            module.fit_statistics(
                None
                if people.windows is None or module.trains_encoder
                else torch.stack([rows.mean(dim=0) for rows in people.windows]),
                people.connectivity,
                scaler,
            )
            if training.momentum > 0 and not isinstance(module.fusion, Gated):
                # Members have the same scales, and a sum starts at zero: one start serves all.
                small = condensed(module, people, training.momentum, seed)
                shared = None if small is None else (copy.deepcopy(module), small)
        else:
            module = copy.deepcopy(shared[0])

        def told(epoch: int, _module: torch.nn.Module, number: int = number) -> None:
            done = (number + epoch / training.epochs) / training.members
            progress.step(0.5 + 0.5 * done, f"member {number + 1}, epoch {epoch}")

        records.append(
            train_member(
                module,
                people,
                np.flatnonzero(inner_fold != number),
                np.flatnonzero(inner_fold == number),
                training,
                inner_fold=number,
                seed=seed,
                after_epoch=told,
                ready=shared and replace(shared[1], module=copy.deepcopy(shared[1].module)),
            )
        )
        members.append(module.requires_grad_(False))
    return members, records
