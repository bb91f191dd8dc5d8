"""All commands, in the order in which the help lists them."""

from __future__ import annotations

from app.cli import (
    bids,
    cache,
    demo,
    encode,
    evaluate,
    experiment,
    explain,
    judge,
    models,
    open_window,
    predict,
    prepare_cohort,
    pretrain,
    report,
    simulate,
    train,
    verify,
)
from app.cli.command import Command

COMMANDS: tuple[Command, ...] = (
    open_window.COMMAND,
    demo.COMMAND,
    predict.COMMAND,
    explain.COMMAND,
    report.COMMAND,
    bids.COMMAND,
    simulate.COMMAND,
    verify.COMMAND,
    models.COMMAND,
    encode.COMMAND,
    cache.COMMAND,
    prepare_cohort.COMMAND,
    pretrain.COMMAND,
    train.COMMAND,
    evaluate.COMMAND,
    judge.COMMAND,
    experiment.COMMAND,
)
