"""Converged integrated gradients of a full-size encoder: this program beside captum's 50 steps.

    python -m tests.benchmarks.attribution [--encoder 13m-256|13m-512|vit-111m] [--repeats 3]
        [--threads 2] [--device cpu|cuda] [--weights published|perturbed] [--json FILE]

Score: a fixed random linear head on CLS, scaled so that scan and baseline (zero series) differ by
one log-odds. Encoder: published size, random weights (`published`: normal, 0.02, as the published
configurations initialise; `perturbed`: torch's own initialisation plus 0.05, which makes a rough
path). The peer is captum's IntegratedGradients with 50 Gauss-Legendre steps on the same encoder's
ordinary forward pass; `captum on ours` gives it this program's CLS-only pass as well, so that the
rest is the nodes.

Correctness gate first: at a reduced number of parcels (all of them on CUDA, and always for the
ViT) both must correlate >= 0.999 with a 200-node reference and converge by this program's rule;
at full size this program's must converge and correlate >= 0.999 with captum's. When a gate fails,
no ratio is printed.

Each measurement runs in a process of its own, contenders by turns; imports, building and one
warming pass are outside the clock. Needs only torch, numpy, captum and safetensors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import Tensor

from app.attribution.integrated_gradients import (
    Batched,
    PathAttribution,
    integrated_gradients,
    path_integral,
    sum_is_right,
)
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig

STEPS, REFERENCE_NODES, AGREEMENT = 50, 200, 0.999
PARCELS, FRAMES = 424, 200
REDUCED_PARCELS = 53
CONTENDERS = ("ours", "captum", "captum on ours")
ENCODERS = ("13m-256", "13m-512", "vit-111m")


class Case:
    """Encoder, scan and score, the same in every process."""

    def __init__(self, encoder: str, weights: str, parcels: int, device: str) -> None:
        generator = torch.Generator().manual_seed(7)
        torch.manual_seed(7)
        self.vit = encoder.startswith("vit")
        self.module = _vit() if self.vit else _thirteen(int(encoder.split("-")[1]), parcels)
        _randomise(self.module, weights, generator)
        self.module.eval().requires_grad_(False).to(device)
        series = torch.randn(parcels, FRAMES, generator=generator)
        for frame in range(1, FRAMES):
            series[:, frame] = 0.6 * series[:, frame - 1] + 0.8 * series[:, frame]
        places = 2.0 * torch.round(15 * torch.randn(parcels, 3, generator=generator))
        tokens = parcels * FRAMES // 20
        self.order = torch.randperm(tokens, generator=generator).to(device)
        self.series, self.places = series.to(device), places.to(device)
        self.baseline = torch.zeros_like(self.series)
        self.head = torch.randn(self.module.config.hidden_size, generator=generator).to(device)
        with torch.no_grad():
            difference = self.quick(self.series[None]) - self.quick(self.baseline[None])
            self.head /= difference

    def quick(self, series: Tensor) -> Tensor:
        """(batch, parcel, frame) -> (batch,), by the pass that computes CLS alone."""
        if self.vit:
            found: Tensor = self.module.cls(series, self.places)
        else:
            found = self.module.cls(series, self.places, self.order)
        return found @ self.head

    def ordinary(self, series: Tensor) -> Tensor:
        """The same by the encoder's ordinary pass, all tokens to the end."""
        if self.vit:
            found: Tensor = self.module.tokens(series, self.places)[0]
        else:
            found = self.module.tokens(series, self.places, self.order)[0]
        return found @ self.head


def _thirteen(width: int, parcels: int) -> Any:
    config = BrainLMConfig(hidden_size=width, decoder_hidden_size=width, num_brain_voxels=parcels)
    return BrainLM(config)


def _vit() -> Any:
    from app.models.brainlm_vit import BrainLMVit
    from app.models.brainlm_vit_config import BrainLMVitConfig

    return BrainLMVit(
        BrainLMVitConfig(
            hidden_size=768,
            num_hidden_layers=12,
            num_attention_heads=12,
            intermediate_size=3072,
            decoder_hidden_size=512,
            decoder_num_hidden_layers=8,
            decoder_num_attention_heads=16,
            decoder_intermediate_size=2048,
            image_size=432,
            patch_size=16,
        )
    )


def _randomise(module: torch.nn.Module, weights: str, generator: torch.Generator) -> None:
    with torch.no_grad():
        for name, value in module.named_parameters():
            if weights == "perturbed":
                value.add_(0.05 * torch.randn(value.shape, generator=generator))
            elif "norm" not in name.lower() and "position" not in name and value.requires_grad:
                value.copy_(0.02 * torch.randn(value.shape, generator=generator))


# ---------------------------------------------------------------------------- contenders


def ours(case: Case, batch: int) -> PathAttribution:
    """As the program explains a scan: more nodes until it has converged."""
    return integrated_gradients(
        lambda series: case.quick(series[None])[0],
        case.series,
        case.baseline[None],
        batched=Batched(case.quick, batch) if batch > 1 else None,
    )


def captum(score: Callable[[Tensor], Tensor], case: Case, batch: int) -> Tensor:
    """captum's 50 Gauss-Legendre steps, `batch` points of the path at once."""
    from captum.attr import IntegratedGradients

    found = IntegratedGradients(score).attribute(
        case.series[None],
        case.baseline[None],
        n_steps=STEPS,
        method="gausslegendre",
        internal_batch_size=batch,
    )
    return found[0].detach()  # type: ignore[no-any-return]


def measure(contender: str, arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    """One run: seconds, peak memory; the attribution goes to `out`."""
    case = Case(arguments.encoder, arguments.weights, PARCELS, arguments.device)
    cuda = arguments.device == "cuda"
    score = case.ordinary if contender == "captum" else case.quick
    with torch.no_grad():
        score(case.series[None])
    if cuda:  # kernels are chosen and loaded at their first use
        at = case.series[None].expand(arguments.batch, -1, -1).clone().requires_grad_(True)
        torch.autograd.grad(score(at).sum(), at)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began, began_cpu = time.perf_counter(), time.process_time()
    nodes, right = STEPS, True
    if contender == "ours":
        found = ours(case, arguments.batch)
        nodes, values, right = found.nodes, found.values, found.converged
    else:
        values = captum(score, case, arguments.batch)
        right = sum_is_right(abs(float(values.double().sum()) - 1.0), 1.0)  # the score is so scaled
    if cuda:
        torch.cuda.synchronize()
    seconds, seconds_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    peak = (
        torch.cuda.max_memory_allocated()
        if cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    np.save(out, values.double().cpu().numpy())
    return {
        "contender": contender,
        "seconds": seconds,
        "cpu_seconds": seconds_cpu,
        "peak_mib": peak / 2**20,
        "nodes": nodes,
        "converged": right,
    }


# ---------------------------------------------------------------------------- gate


def correlation(first: Any, second: Any) -> float:
    """Pearson's, over all parcels and frames."""
    return float(np.corrcoef(np.ravel(first), np.ravel(second))[0, 1])


def reference_gate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both beside 200 nodes."""
    whole = arguments.device == "cuda" or arguments.encoder.startswith("vit")
    parcels = PARCELS if whole else REDUCED_PARCELS
    case = Case(arguments.encoder, arguments.weights, parcels, arguments.device)
    batched = Batched(case.quick, arguments.batch) if arguments.batch > 1 else None
    reference = path_integral(
        lambda series: case.quick(series[None])[0],
        case.series,
        case.baseline,
        REFERENCE_NODES,
        batched,
    ).cpu()
    found = ours(case, arguments.batch)
    peer = captum(case.ordinary, case, arguments.batch).double().cpu()
    found_values = found.values.cpu()
    return {
        "parcels": parcels,
        "nodes": found.nodes,
        "error_ours": found.error,
        "error_captum": abs(float(peer.sum()) - found.difference),
        "converged_ours": found.converged,
        "converged_captum": sum_is_right(
            abs(float(peer.sum()) - found.difference), found.difference
        ),
        "correlation_ours": correlation(found_values, reference),
        "correlation_captum": correlation(peer, reference),
    }


def passes(gate: dict[str, Any]) -> bool:
    """Whether this program's attribution may be timed at all."""
    return bool(gate["converged_ours"]) and gate["correlation_ours"] >= AGREEMENT


# ---------------------------------------------------------------------------- main


def main() -> int:
    """Gate, then measurements by turns, then one table and, if asked, JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", choices=ENCODERS, default="13m-256")
    parser.add_argument("--weights", choices=("published", "perturbed"), default="published")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--batch", type=int, default=0, help="nodes at once; 0: 1 on CPU, 10 on CUDA"
    )
    parser.add_argument("--without", choices=CONTENDERS, action="append", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.batch = arguments.batch or (10 if arguments.device == "cuda" else 1)
    torch.set_num_threads(arguments.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments, arguments.out)))
        return 0
    gate = reference_gate(arguments)
    print(
        f"gate at {gate['parcels']} parcels: {gate['nodes']} nodes, error {gate['error_ours']:.2g} "
        f"log-odds, correlation with {REFERENCE_NODES} nodes {gate['correlation_ours']:.6f} "
        f"(captum: {gate['error_captum']:.2g}, {gate['correlation_captum']:.6f})",
        flush=True,
    )
    if not passes(gate):
        print("The gate is not passed; nothing is timed.")
        return 1
    runs, values = _by_turns(arguments)
    record = {
        "arguments": {k: str(v) for k, v in vars(arguments).items() if v is not None},
        "machine": f"{platform.platform(terse=True)}, {os.cpu_count()} CPUs, torch "
        f"{torch.__version__}, load {os.getloadavg()[0]:.1f}",
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "gate": gate,
        "runs": runs,
    }
    agreed = _table(record, runs, values)
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return 0 if agreed else 1


def _by_turns(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as private:
        out = Path(private) / "values.npy"
        for repeat in range(arguments.repeats):
            for contender in CONTENDERS:
                if contender in arguments.without:
                    continue
                command = [sys.executable, "-m", "tests.benchmarks.attribution"]
                for name in ("encoder", "weights", "device", "threads", "batch"):
                    command += [f"--{name}", str(getattr(arguments, name))]
                command += ["--measure", contender, "--out", str(out)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                runs.append(json.loads(done.stdout.splitlines()[-1]) | {"repeat": repeat})
                values[contender] = np.load(out)
                print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    return runs, values


def _table(record: dict[str, Any], runs: list[dict[str, Any]], values: dict[str, Any]) -> bool:
    """Print; False when the contenders disagree at full size, and then no ratio is given."""
    summary: dict[str, Any] = {}
    print(f"{record['device']}; {record['machine']}")
    print(
        f"{'contender':16} {'n':>2} {'nodes':>5} {'median s':>9} {'range s':>17} "
        f"{'median CPU s':>12} {'peak MiB':>9}"
    )
    for contender in values:
        mine = [run for run in runs if run["contender"] == contender]
        seconds = [run["seconds"] for run in mine]
        busy = statistics.median(run["cpu_seconds"] for run in mine)
        summary[contender] = (statistics.median(seconds), busy)
        print(
            f"{contender:16} {len(mine):2d} {mine[0]['nodes']:5d} {summary[contender][0]:9.2f} "
            f"{min(seconds):8.2f}-{max(seconds):8.2f} {busy:12.2f} "
            f"{max(run['peak_mib'] for run in mine):9.0f}"
        )
    record["medians_s_and_cpu_s"] = summary
    if not all(run["converged"] for run in runs if run["contender"] == "ours"):
        print("ours did not converge at full size; no ratio is given.")
        return False
    for contender in [name for name in values if name != "ours"]:
        agreement = correlation(values["ours"], values[contender])
        record[f"correlation with {contender}"] = agreement
        if agreement < AGREEMENT:
            print(f"ours and {contender} disagree at full size: correlation {agreement:.6f}")
            return False
        wall, busy = (a / b for a, b in zip(summary[contender], summary["ours"], strict=True))
        record[f"times faster than {contender}"] = [wall, busy]
        print(
            f"{wall:.2f} times faster than {contender} ({busy:.2f} in CPU time); "
            f"correlation {agreement:.6f}"
        )
    return True


if __name__ == "__main__":
    raise SystemExit(main())
