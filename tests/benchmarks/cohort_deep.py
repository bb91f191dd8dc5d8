"""Deep models of a comparison, one fit each: what an evaluation and a bundle of them would take.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/cohort_deep.py --folder FOLDER --out FILE
        [--people 30] [--epochs 2] [--models fmm-tc brainnetcnn …]

Simulated people at parcel level, 426 parcels, 236 frames. A network is fitted for a few epochs in
each of its rounds (inner folds, then everybody), and what an epoch takes for one person is scaled
to `PEOPLE` people and the most epochs that its training allows: an upper end, as folds that do not
improve stop early. FMM_TC is fitted whole, its frozen encoder apart. Each finished model is
written at once; a second run goes on with those that are missing. CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from app.cohort.learn.contender import Inputs
from app.cohort.learn.contenders import DEEP
from app.cohort.learn.labelled import label_cohort, read_cohort
from app.cohort.learn.plan import parse_plan
from app.cohort.learn.plan_lock import lock_plan
from app.cohort.learn.run import LearnRequest, find_atlas, workshop_of
from app.cohort.learn.simulated import write_cohort
from app.models.baselines.training_loop import Training
from app.simulation.cohort import CohortSettings
from tests.benchmarks.cohort_compare import plan

PEOPLE = 80  # that a fit of 5 outer folds has of 100
FMM_TC = ("fmm-tc", "fmm-tc-gated", "fmm-tc-late", "fmm-tc-connectivity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=[*FMM_TC, *DEEP])
    options = parser.parse_args()
    prepared = write_cohort(options.folder, CohortSettings(count=options.people, seed=41))
    wanted = parse_plan(plan(1, 0, fmm_tc=True))
    table = options.folder / "participants.tsv"
    out = options.folder / "deep"
    people = read_cohort(prepared, table, wanted)
    cohort = label_cohort(people, lock_plan(wanted, table, out))
    workshop = workshop_of(cohort, find_atlas("HCPEx"), LearnRequest(prepared, table, wanted, out))
    workshop = replace(workshop, training=Training(epochs=options.epochs, patience=10**6))
    inputs = Inputs.of(cohort)
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.models:
        if name in found:
            continue
        contender = workshop.contender(name)
        fits = [_fit(contender, inputs)]
        if name in FMM_TC:
            fits.append(_fit(contender, inputs))  # the encoder's vectors are known now
        count = len(inputs.labels)
        found[name] = {"people": count, **_scaled(name, fits, options.epochs, count)}
        options.out.write_text(json.dumps(found, indent=1) + "\n")
        print(name, found[name], flush=True)


def _fit(contender, inputs: Inputs) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    contender.fresh().fit(
        inputs.people.series, inputs.people.connectivity, inputs.people.covariates, inputs.labels,
        seed=1,
    )  # fmt: skip
    return time.perf_counter() - wall, time.process_time() - cpu


def _scaled(
    name: str, fits: list[tuple[float, float]], epochs: int, people: int
) -> dict[str, float]:
    if name in FMM_TC:
        return {
            "first_fit_cpu_s": fits[0][1], "first_fit_wall_s": fits[0][0],
            "fit_cpu_s": fits[1][1], "fit_wall_s": fits[1][0],
        }  # fmt: skip
    full = Training()
    rounds = full.folds + 1
    per_epoch = fits[0][1] / (epochs * rounds)
    return {
        "epoch_of_a_round_cpu_s": per_epoch, "rounds": rounds, "most_epochs": full.epochs,
        "fit_upper_cpu_s": per_epoch * PEOPLE / people * rounds * full.epochs,
    }  # fmt: skip


if __name__ == "__main__":
    main()
