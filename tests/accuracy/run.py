"""The large accuracy studies, one command each.

    python -m tests.accuracy.run registration [--heads 1000] [--wrong-places 4] [--out FILE]

Each writes one JSON record a line to --out and goes on where it stopped; at the end it prints what
the records say. `README.md` beside this file holds the figures measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def keep_going(
    out: Path, wanted: int, make: Callable[[int], Record], seconds: float | None = None
) -> list[Record]:
    """Records 1 to `wanted`, those already in the file kept; stops early after `seconds`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    records = [json.loads(line) for line in lines if line.strip()]
    done = {record["seed"] for record in records}
    start = time.monotonic()
    with out.open("a", encoding="utf-8") as handle:
        for seed in range(1, wanted + 1):
            if seed in done:
                continue
            if seconds is not None and time.monotonic() - start > seconds:
                break
            record = make(seed)
            handle.write(json.dumps(record) + "\n")
            handle.flush()
            records.append(record)
    return records


def registration(options: argparse.Namespace) -> list[str]:
    """Small-grid heads through the direct route."""
    from tests.accuracy.registration import head_record, summarise

    return summarise(
        keep_going(
            options.out,
            options.heads,
            lambda seed: head_record(seed, wrong_places=options.wrong_places),
            options.seconds,
        )
    )


STUDIES: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "registration": registration,
}


def main() -> None:
    """Run one study and print its summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=sorted(STUDIES))
    parser.add_argument("--heads", type=int, default=1000)
    parser.add_argument("--wrong-places", type=int, default=4, help="planted a head")
    parser.add_argument("--participants", type=int, default=5)
    parser.add_argument("--frames", type=int, default=6, help="that the peers of `motion` align")
    parser.add_argument("--peers", default="ants,SimpleITK", help="of `motion`; may be empty")
    parser.add_argument("--seconds", type=float, help="begin no further record after that long")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.out = options.out or Path("accuracy") / f"{options.study}.jsonl"
    for line in STUDIES[options.study](options):
        print(line)


if __name__ == "__main__":
    main()
