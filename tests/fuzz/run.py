"""Fuzz the doors: ``python tests/fuzz/run.py --minutes 10``.

Coverage-guided where atheris is installed, otherwise random edits of the seeds. Every target gets
an equal share of the time in a process of its own. What fails is kept under
``tests/fuzz/corpus/<target>/`` and is from then on a regression case of the suite.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent / "corpus"
sys.path.insert(0, str(ROOT))
MEMORY_MIB = 2048
INPUT_SECONDS = 20


def main() -> int:
    """Run all targets, or be the process of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of all targets together")
    parser.add_argument("--target", default="", help="only this one")
    parser.add_argument("--plain", action="store_true", help="random edits, without atheris")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--child", type=float, default=0.0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return _child(arguments.target, arguments.child, arguments.plain, arguments.seed)
    from tests.fuzz.targets import TARGETS

    names = [arguments.target] if arguments.target else list(TARGETS)
    seconds = max(arguments.minutes * 60.0 / len(names), 1.0)
    failed = []
    for name in names:
        command = [sys.executable, __file__, "--target", name, "--child", str(seconds),
                   "--seed", str(arguments.seed)]  # fmt: skip
        if arguments.plain:
            command.append("--plain")
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        print(f"{name}: exit {code} after {time.monotonic() - began:.0f} s", flush=True)
        if code:
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "no failure")
    return 1 if failed else 0


def _child(name: str, seconds: float, plain: bool, seed: int) -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        if plain:
            raise ImportError
        import atheris
    except ImportError:
        return _plain(name, seconds, seed)
    with atheris.instrument_imports(include=["app.scans", "pydicom.filereader"]):
        from tests.fuzz.targets import MAXIMUM_BYTES, TARGETS, seeds
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as place:
        work, start = Path(place) / "work", Path(place) / "corpus"
        work.mkdir()
        start.mkdir()
        for content in [*seeds(name), *_kept(name)]:
            (start / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
        kept = CORPUS / name
        kept.mkdir(parents=True, exist_ok=True)
        flags = [
            sys.argv[0], str(start), f"-max_total_time={max(int(seconds), 1)}",
            f"-artifact_prefix={kept}/", f"-max_len={min(MAXIMUM_BYTES, 65536)}",
            f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}", "-verbosity=0",
            "-print_final_stats=1",
        ]  # fmt: skip
        if seed:
            flags.append(f"-seed={seed}")

        def once(data: bytes) -> None:
            target(data, work)

        atheris.Setup(flags, once)
        atheris.Fuzz()  # ends the process
    return 0


def _kept(name: str) -> list[bytes]:
    folder = CORPUS / name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _plain(name: str, seconds: float, seed: int) -> int:
    """Random edits of the seeds; stops at the first failure and keeps it."""
    from tests.fuzz.targets import TARGETS, mutated, seeds

    dice = random.Random(seed or time.time_ns())
    pool = [*seeds(name), *_kept(name)]
    runs = accepted = 0
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as place:
        while time.monotonic() < deadline:
            changes = [
                (dice.randrange(6), dice.randrange(1 << 20), dice.randrange(1 << 16))
                for _ in range(dice.randrange(1, 7))
            ]
            data = mutated(dice.choice(pool), changes)
            try:
                accepted += TARGETS[name](data, Path(place))
            except Exception:
                folder = CORPUS / name
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"crash-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
                raise
            runs += 1
    print(f"{name}: {runs} inputs, {accepted} accepted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
