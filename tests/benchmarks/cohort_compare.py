"""One nested 5 x 4 comparison of linear, tangent and frozen-CLS models: how long does it take?

    OMP_NUM_THREADS=2 .venv/bin/python tests/benchmarks/cohort_compare.py --folder FOLDER
        [--people 100] [--repeats 1] [--permutations 200] [--fmm-tc] [--out times.json]

Simulated people at parcel level (426 parcels, 236 frames, two windows of the demonstration's
encoder), one locked plan, everything fitted inside the folds, then all figures. Frozen features
are kept by content hash and finished folds on disk: a second run in the same folder shows what an
interrupted one costs. CPU seconds are of this process, all threads.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.judge import judged
from app.cohort.learn.labelled import label_cohort, read_cohort
from app.cohort.learn.plan import parse_plan
from app.cohort.learn.plan_lock import lock_plan
from app.cohort.learn.run import LearnRequest, contenders_of, find_atlas, workshop_of
from app.cohort.learn.simulated import write_cohort
from app.cohort.learn.tables import write_evaluation
from app.core.progress import Progress
from app.simulation.cohort import CohortSettings


def plan(repeats: int, permutations: int, fmm_tc: bool) -> dict:
    return {
        "name": "speed of a comparison",
        "outcome": {"column": "nrs_after", "kind": "post", "scale": "NRS 0-10",
                    "baseline_column": "nrs_before"},
        "responder": {"definition": "NRS fall >= 30 %", "time_point": "week 4"},
        "treatment": {"drug": "Simulated treatment X", "dose": "none", "route": "none",
                      "arm": "single arm, simulated", "comparator": "none",
                      "control_arm_modelled": False},
        "population": {"description": "simulated people", "age_range_years": [20.0, 88.0]},
        "estimand": {"statement": "as drawn", "rescue_medication": "none", "drop_out": "none"},
        "models": {"headline": "fmm-tc" if fmm_tc else "linear",
                   "rivals": [*(["linear"] if fmm_tc else []), "tangent", "frozen-cls",
                              "age-sex-motion", "covariates", "majority"]},
        "protocol": {"repeats": repeats, "permutations": permutations, "seed": 1,
                     "leave_one_site_out": False},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--permutations", type=int, default=200)
    parser.add_argument("--fmm-tc", action="store_true", help="the deep model too, timed apart")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    prepared = write_cohort(options.folder, CohortSettings(count=options.people, seed=41))
    times: dict[str, dict[str, float]] = {}

    def timed(name: str, began: tuple[float, float]) -> tuple[float, float]:
        now = time.monotonic(), time.process_time()
        times[name] = {
            "wall_s": round(now[0] - began[0], 1), "cpu_s": round(now[1] - began[1], 1),
        }  # fmt: skip
        print(name, times[name], flush=True)
        return time.monotonic(), time.process_time()

    wanted = parse_plan(plan(options.repeats, options.permutations, options.fmm_tc))
    table, result = options.folder / "participants.tsv", options.folder / "result"
    request = LearnRequest(prepared, table, wanted, result)
    mark = time.monotonic(), time.process_time()
    cohort = label_cohort(read_cohort(prepared, table, wanted), lock_plan(wanted, table, result))
    workshop = workshop_of(cohort, find_atlas("HCPEx"), request)
    contenders, cohort = contenders_of(cohort, workshop)
    mark = timed("read, lock, open the encoder", mark)
    for one in contenders:
        evaluate(cohort, [one], result, Progress())
        mark = timed(one.id, mark)
    found = evaluate(cohort, contenders, result, Progress())
    mark = timed("all again, from finished folds", mark)
    progress = Progress()
    found = judged(found, contenders, progress)
    write_evaluation(found)
    timed("figures", mark)
    times["figures"] |= {k: round(v, 1) for k, v in progress.stage_seconds.items()}
    for name, one in found.figures["models"].items():
        low, high = one["auroc_interval"]
        print(f"{name}: AUROC {one['auroc']:.2f} ({low:.2f} to {high:.2f})")
    if options.out:
        options.out.write_text(json.dumps(times, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
