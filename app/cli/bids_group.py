"""The group level of `bids`: what the participant level has left, put together."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.cli.command import DONE, FAILED, UsageError
from app.core.wording import RUO_LINE, counted

if TYPE_CHECKING:
    from app.cohort.rows import CohortRow


def run_group(arguments: Namespace, planned: Sequence[CohortRow] = ()) -> int:
    """Write table, quality and matrices; 1 where rows may not be pooled.

    `planned` are the visits of the data set, done or not.
    """
    from app.cohort.group_files import assemble

    rows, found, told = assemble(
        arguments.out_dir.absolute(),
        arguments.bids_dir.absolute(),
        group_by=arguments.group_by,
        where=_where(arguments.where),
        planned=planned,
    )
    print(RUO_LINE)
    counts = Counter(row.outcome for row in rows)
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    for text in told:
        print(f"Note: {text}", file=sys.stderr)
    print(f"Table: {arguments.out_dir / 'results.tsv'}")
    print(f"Quality: {arguments.out_dir / 'group' / 'quality.tsv'}")
    if found is None:
        return FAILED
    for matrix in (found.whole, *found.groups):
        print(f"Mean matrix of {matrix.name}: {counted(matrix.scans, 'scan')} of "
              f"{counted(matrix.participants, 'participant')}")  # fmt: skip
    return DONE


def _where(words: list[str]) -> dict[str, str]:
    chosen = {}
    for word in words:
        column, mark, value = word.partition("=")
        if not mark or not column:
            raise UsageError(f"'{word[:60]}' is not COLUMN=VALUE.", "Write it as arm=placebo.",
                             code="cli.where")  # fmt: skip
        chosen[column] = value
    return chosen
