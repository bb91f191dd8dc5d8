"""Cohorts drawn from a pool, in the form that the program's own evaluation takes.

Series and matrices of these people are stubs of a few numbers: the contender below looks people up
in the pool's tables by their row. Splits, fits, calibration, permutation and figures are the
program's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.cohort.experiments.simulated import simulated_plan
from app.cohort.learn.contender import LinearContender
from app.cohort.learn.definition import Outcome
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.person import Person
from app.cohort.learn.plan import Plan
from app.cohort.learn.plan_lock import LockedPlan
from app.cohort.learn.reduced import Reduced, reduced
from app.cohort.learn.scans import PREPARED_ATLAS, PREPARED_PRESET, PreparedScan
from app.cohort.learn.splits import Fold
from app.core.arrays import Floats, frozen
from app.core.progress import Progress
from app.models.baselines.pearson import PearsonLinear
from app.models.baselines.people import People
from tests.accuracy.cohort_pool import Pool

STUB = frozen(np.zeros((4, 3), np.float32))
STUB_MATRIX = frozen(np.zeros((3, 3), np.float32))


def plan_of(**protocol: object) -> Plan:
    """One repeat, no leaving out of sites, unless said."""
    quick = {"repeats": 1, "leave_one_site_out": False, "permutations": 200}
    return simulated_plan(protocol=quick | protocol)


def cohort_of(
    pool: Pool, labels: np.ndarray, plan: Plan, *, one_site: bool = False
) -> LabelledCohort:
    """People of a pool with labels, in the pool's order."""
    people = []
    for row in range(len(pool)):
        scan = PreparedScan(
            participant=f"sub-{row:05d}",
            session="",
            source="pool",
            cleaned=STUB,
            good_frames=frozen(np.ones(4, np.bool_)),
            connectivity=STUB_MATRIX,
            mean_fd_mm=float(pool.mean_fd_mm[row]),
            verdict="pass",
            atlas=PREPARED_ATLAS,
            preset=PREPARED_PRESET,
            repetition_time_s=2.0,
            scan_sha256=f"{row:064d}",
            content_sha256=f"{row:064d}",
            simulated=True,
        )
        people.append(
            Person(
                scan,
                "one site" if one_site else str(pool.site[row]),
                "simulated",
                float(pool.age_years[row]),
                "F" if pool.female[row] else "M",
                float(pool.baseline_pain[row]),
                float("nan"),
            )
        )
    values = frozen(labels.astype(float))
    locked = LockedPlan(plan, plan.sha256, "", "", Path("nowhere"))
    outcome = Outcome("label", values, None, lower_is_better=True)
    return LabelledCohort(
        tuple(people), frozen(labels.astype(bool)), {plan.definition.text: values}, outcome, (),
        locked,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableContender(LinearContender):
    """The program's linear contender on a table of features that need no fitting themselves."""

    table: Floats = field(default_factory=lambda: np.zeros((0, 0)), compare=False)

    def prepared(self, people: People, fold: Fold, progress: Progress) -> Reduced:
        """Rows of the table instead of features of stubs."""
        model = self.make()
        return reduced(
            self.table[fold.training], self.table[fold.test], standardise=model.standardise
        )


def table_contender(name: str, *blocks: np.ndarray, classifier: str = "logistic") -> TableContender:
    """Blocks side by side, each divided by its own mean spread so that none drowns the others."""
    scaled = [block / (block.std(axis=0).mean() * np.sqrt(block.shape[1])) for block in blocks]
    return TableContender(
        name, name, "both", lambda: PearsonLinear(classifier), [name], table=np.hstack(scaled)
    )


def part_of(contender: TableContender, rows: np.ndarray) -> TableContender:
    """The same contender for some people."""
    return replace(contender, table=contender.table[rows])
