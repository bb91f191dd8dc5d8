"""Encoders beside independent implementations, at full published sizes with random weights.

    python tests/benchmarks/encoder.py [--models 13m-256,13m-512,vit-111m,vit-650m]
        [--repeats 5] [--threads 2] [--device cpu] [--quick] [--json FILE]

The peer of the ViT is `transformers.ViTMAE` with its own recommended attention (sdpa); that of
the 13M family is a plain eager implementation of the same maths, below, which keeps its attention
maps as the published one does. Peers share the very tensors of our encoder. A correctness gate
comes first; then the implementations take turns, with equally many threads, and medians are
compared, of the clock and of processor time (on a busy machine only the latter, with
``--threads 1``, says anything). Peers are not charged for preparing the image. With
``--device cuda`` the deviation from the CPU, half precision, repeatability and a real
out-of-memory are checked too.

Needs torch, numpy, safetensors and (for the ViT) transformers, nothing else of this program's
dependencies. Not part of the timed suite.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts

import torch
from torch import Tensor
from torch.nn import functional

from app.core.errors import AppError
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.brainlm_vit import BrainLMVit
from app.models.brainlm_vit_config import BrainLMVitConfig
from app.models.encoders import LoadedEncoder
from app.models.encoding import embed
from app.models.input_contract import InputContract
from app.models.precision import Deviation
from app.models.token_order import token_orders
from tests.stock_vit import published_names

GATE = 1e-4  # absolute and relative, float32
VIT = {
    "vit-111m": BrainLMVitConfig(768, 12, 12, 3072, 512, 8, 16, 2048, 432, 16),
    "vit-650m": BrainLMVitConfig(1280, 32, 16, 5120, 512, 8, 16, 2048, 434, 14),
    "vit-quick": BrainLMVitConfig(96, 3, 4, 192, 48, 1, 4, 96, 432, 16),
}
LM = {
    "13m-256": BrainLMConfig(hidden_size=256, decoder_hidden_size=256),
    "13m-512": BrainLMConfig(hidden_size=512, decoder_hidden_size=512),
    "13m-quick": BrainLMConfig(
        hidden_size=64, num_hidden_layers=2, decoder_hidden_size=64, intermediate_size=128,
        num_brain_voxels=106,
    ),
}  # fmt: skip
Call = Callable[[], tuple[Tensor, Tensor]]  # -> cls, patches (empty where only CLS is computed)


# ---------------------------------------------------------------------------- implementations


def with_random_weights(build: Callable[[], Any]) -> Any:
    """A frozen module with seeded normal weights; tables of positions keep their formula."""
    with torch.device("meta"):
        module = build()
    generator = torch.Generator().manual_seed(5)
    state = {}
    for key, value in module.state_dict().items():
        if key.endswith((".pe", "position_embeddings")):
            state[key] = value
            continue
        tensor = torch.empty(value.shape).normal_(0.0, 0.03, generator=generator)
        if "norm" in key.lower() and key.endswith("weight"):
            tensor += 1.0
        state[key] = tensor
    for key, value in state.items():
        if value.is_meta:
            raise AssertionError(f"{key} was never filled")
    module.load_state_dict(state, assign=True)
    return module.eval().requires_grad_(False)


def eager_brainlm(
    model: BrainLM, series: Tensor, xyz: Tensor, order: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The encoder's published maths with plain operations; every attention map is kept."""
    config = model.config
    weights = dict(model.vit.state_dict())
    heads, patch = config.num_attention_heads, config.timepoint_patching_size

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        variance = (x - mean).square().mean(-1, keepdim=True)
        unit = (x - mean) / (variance + config.layer_norm_eps).sqrt()
        return unit * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    batch, parcels, frames = series.shape
    patches = series.reshape(batch, parcels, frames // patch, patch)
    tokens = linear("embeddings.signal_embedding_projection", patches)
    tokens = tokens + linear("embeddings.xyz_embedding_projection", xyz)[None, :, None]
    tokens = tokens + weights["embeddings.pos_embedding.pe"][: frames // patch]
    tokens = tokens.flatten(1, 2)[:, order]
    x = torch.cat([weights["embeddings.cls_token"].expand(batch, 1, -1), tokens], dim=1)
    kept = []
    for index in range(config.num_hidden_layers):
        name = f"encoder.layer.{index}"

        def split(part: str, name: str = name, x: Tensor = x) -> Tensor:
            projected = linear(f"{name}.attention.self.{part}", x)
            return projected.view(batch, x.shape[1], heads, -1).transpose(1, 2)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        attention = torch.softmax(scores, dim=-1)
        kept.append(attention)
        kernel = weights[f"{name}.attention.self.conv.weight"]
        near = functional.conv2d(value, kernel, padding=(kernel.shape[2] // 2, 0), groups=heads)
        context = (attention @ value + near).transpose(1, 2).flatten(2)
        x = norm(f"{name}.attention.output.LayerNorm",
                 linear(f"{name}.attention.output.dense", context) + x)  # fmt: skip
        inner = functional.gelu(linear(f"{name}.intermediate.dense", x))
        x = norm(f"{name}.output.LayerNorm", linear(f"{name}.output.dense", inner) + x)
    x = norm("layernorm", x)
    return x[:, 0], x[:, 1:][:, torch.argsort(order)], kept


def stock_vit(model: BrainLMVit) -> Any:
    """`transformers.ViTMAEModel` around the same tensors, mask ratio 0."""
    import transformers

    sizes = {name: getattr(model.config, name) for name in BrainLMVitConfig.__slots__}
    config = transformers.ViTMAEConfig(**sizes, mask_ratio=0.0, hidden_act="gelu")
    with torch.device("meta"):
        stock = transformers.ViTMAEModel(config)
    ours = model.vit.state_dict()
    names = {key: next(iter(published_names({f"vit.{key}": torch.empty(0)}))) for key in
             stock.state_dict()}  # fmt: skip
    state = {key: ours[name.removeprefix("vit.")] for key, name in names.items()}
    stock.load_state_dict(state, strict=True, assign=True)
    return stock.eval().requires_grad_(False)


def implementations(name: str, device: str, batch: int) -> tuple[Any, dict[str, Call], Any]:
    """The encoder, the ways of computing it on `device`, and its inputs."""
    generator = torch.Generator().manual_seed(9)
    if name in LM:
        config = LM[name]
        model = with_random_weights(lambda: BrainLM(config)).to(device)
        series = _series(batch, config.num_brain_voxels, generator).to(device)
        xyz = torch.randint(-60, 60, (config.num_brain_voxels, 3), generator=generator)
        xyz = xyz.float().to(device)
        order = torch.randperm(config.token_count, generator=generator).to(device)

        def eager() -> tuple[Tensor, Tensor]:
            cls, patches, _kept = eager_brainlm(model, series, xyz, order)
            return cls, patches

        def full() -> tuple[Tensor, Tensor]:
            cls, patches = model.tokens(series, xyz, order)
            return cls, patches.flatten(1, 2)

        calls: dict[str, Call] = {
            "peer": eager,
            "ours, all tokens": full,
            "ours, CLS": lambda: (model.cls(series, xyz, order), torch.empty(0)),
        }
        return model, calls, (series, xyz, order)
    config_vit = VIT[name]
    vit = with_random_weights(lambda: BrainLMVit(config_vit)).to(device)
    stock = stock_vit(vit)
    series = _series(batch, 424, generator).to(device)
    xyz = torch.randint(-60, 60, (424, 3), generator=generator).float().to(device)
    image = vit.image(vit.ordered(series, xyz))[:, None].expand(-1, 3, -1, -1).contiguous()
    noise = torch.arange(config_vit.token_count, device=device).float().expand(batch, -1)
    noise = noise / config_vit.token_count

    def theirs() -> tuple[Tensor, Tensor]:
        found = stock(image, noise=noise).last_hidden_state
        grid = found[:, 1:].unflatten(1, (config_vit.grid, config_vit.grid))
        return found[:, 0], grid[:, config_vit.box[0], config_vit.box[1]].flatten(1, 2)

    def every() -> tuple[Tensor, Tensor]:
        found = vit.vit(vit.image(vit.ordered(series, xyz)))
        grid = found[:, 1:].unflatten(1, (config_vit.grid, config_vit.grid))
        return found[:, 0], grid[:, config_vit.box[0], config_vit.box[1]].flatten(1, 2)

    def box() -> tuple[Tensor, Tensor]:
        cls, patches = vit.tokens(series, xyz)
        return cls, patches.flatten(1, 2)

    calls = {
        "peer": theirs,
        "ours, all tokens": every,
        "ours, tokens with data": box,
        "ours, CLS": lambda: (vit.cls(series, xyz), torch.empty(0)),
    }
    return vit, calls, (series, xyz)


def _series(batch: int, parcels: int, generator: torch.Generator) -> Tensor:
    noise = torch.randn(batch, parcels, 200, generator=generator)
    return 0.6 * noise.cumsum(dim=2) / 5 + noise


# ---------------------------------------------------------------------------- measuring


def synchronised(device: str) -> float:
    """The clock after all work on the device has ended."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def gate(calls: dict[str, Call]) -> dict[str, float]:
    """Largest difference of each way from the peer; ends the run where one is too large."""
    cls, patches = calls["peer"]()
    differences = {}
    for way, call in calls.items():
        if way == "peer":
            continue
        own_cls, own_patches = call()
        largest = 0.0
        for found, known in ((own_cls, cls), (own_patches, patches)):
            if found.numel():
                torch.testing.assert_close(found, known, atol=GATE, rtol=GATE)
                largest = max(largest, float((found - known).abs().max()))
        differences[way] = largest
    return differences


def working_memory_mib(call: Call, device: str) -> float:
    """Peak memory of one call above what lay there before."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        return float("nan")
    ctypes.CDLL(None).malloc_trim(0)
    clear.write_text("5")  # sets VmHWM back
    before_kib = _status_kib("VmHWM")
    call()
    return (_status_kib("VmHWM") - before_kib) / 1024


def _status_kib(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def measure(name: str, device: str, batch: int, repeats: int) -> dict[str, Any]:
    """Gate, memory, then seconds in turns."""
    _model, calls, _inputs = implementations(name, device, batch)
    differences = gate(calls)
    memory = {way: working_memory_mib(call, device) for way, call in calls.items()}
    seconds: dict[str, list[float]] = {way: [] for way in calls}
    processor: dict[str, list[float]] = {way: [] for way in calls}
    for repeat in range(repeats):
        ways = list(calls.items())
        for way, call in ways if repeat % 2 == 0 else reversed(ways):  # nobody is always first
            began, began_cpu = synchronised(device), time.process_time()
            call()
            seconds[way].append(synchronised(device) - began)
            processor[way].append(time.process_time() - began_cpu)
    peer = statistics.median(seconds["peer"])
    peer_cpu = statistics.median(processor["peer"])
    rows = {}
    for way, times in seconds.items():
        rows[way] = {
            "median_s": statistics.median(times),
            "fastest_s": min(times),
            "peer_over_this": peer / statistics.median(times),
            "processor_s": statistics.median(processor[way]),
            "peer_over_this_processor": peer_cpu / statistics.median(processor[way]),
            "median_of_ratios": statistics.median(
                theirs / own for theirs, own in zip(seconds["peer"], times, strict=True)
            ),
            "working_memory_mib": memory[way],
            "largest_difference_from_peer": differences.get(way, 0.0),
        }
    return {"model": name, "device": device, "batch": batch, "repeats": repeats, "ways": rows}


def table(result: dict[str, Any]) -> str:
    """One model as lines of text."""
    title = f"{result['model']}, {result['device']}, batch {result['batch']}"
    lines = [
        f"{title:30s} {'median s':>9s} {'peer/this':>9s} {'CPU s':>9s} {'peer/this':>9s} "
        f"{'peak MiB':>9s} {'max diff':>9s}"
    ]
    for way, row in result["ways"].items():
        lines.append(
            f"  {way:28s} {row['median_s']:9.4f} {row['peer_over_this']:9.2f} "
            f"{row['processor_s']:9.4f} {row['peer_over_this_processor']:9.2f} "
            f"{row['working_memory_mib']:9.0f} {row['largest_difference_from_peer']:9.1e}"
        )
    return "\n".join(lines)


# ---------------------------------------------------------------------------- accelerator


def loaded(name: str) -> tuple[LoadedEncoder, Any]:
    """The encoder as `main.py encode` holds it, on the CPU, and eight windows with coordinates."""
    config: Any = LM[name] if name in LM else VIT[name]
    kind: Any = BrainLM if name in LM else BrainLMVit
    module = with_random_weights(lambda: kind(config))
    contract = InputContract(config.num_brain_voxels, config.num_timepoints_per_voxel, "raw")
    encoder = LoadedEncoder(name, "13m" if name in LM else "vit", module, contract, {})
    generator = torch.Generator().manual_seed(9)
    windows = _series(8, config.num_brain_voxels, generator).numpy()
    places = torch.randint(-60, 60, (config.num_brain_voxels, 3), generator=generator).numpy()
    return encoder, (windows, places)


def compare_devices(name: str, device: str = "cuda") -> dict[str, Any]:
    """CPU against the accelerator through the product's own path: deviation, bits, seconds."""
    encoder, (windows, places) = loaded(name)
    orders, _ = token_orders("random:1" if name in LM else "identity", encoder.token_count)
    began = time.perf_counter()
    exact = embed(encoder, windows[:1], places, orders, device="cpu")
    cpu_s = time.perf_counter() - began
    found: dict[str, Any] = {"model": name, "cpu_s_a_window": cpu_s}
    for precision in ("float32", "bfloat16", "float16"):
        for batch in (1, 8):
            runs = []
            for _ in range(3):
                began = synchronised(device)
                runs.append(
                    embed(encoder, windows, places, orders, device=device, batch=batch,
                          precision=precision)
                )  # fmt: skip
                seconds = (synchronised(device) - began) / len(windows)
            last = runs[-1]
            assert last.device == device and not last.notes, last.notes
            cls = Deviation.between(torch.tensor(last.cls[:1]), torch.tensor(exact.cls))
            patches = Deviation.between(torch.tensor(last.patches[:1]), torch.tensor(exact.patches))
            found[f"{precision}, {batch} at a time"] = {
                "s_a_window": seconds,
                "cpu_over_this": cpu_s / seconds,
                "cls_largest": cls.largest,
                "cls_relative": cls.relative,
                "patches_largest": patches.largest,
                "patches_relative": patches.relative,
                "repeat_same_bits": bool((runs[1].cls == last.cls).all())
                and bool((runs[1].patches == last.patches).all()),
            }
    single = found["float32, 1 at a time"]
    found["float32_within_gate"] = max(single["cls_largest"], single["patches_largest"]) <= GATE
    return found


def run_out_of_memory() -> list[str]:
    """Fill the accelerator for real and let `embed` fall back; returns what it said."""
    encoder, (windows, places) = loaded("13m-256")
    orders, _ = token_orders("identity", encoder.token_count)
    expected = embed(encoder, windows, places, orders, device="cpu", with_patches=False)
    embed(encoder, windows, places, orders, device="cuda", with_patches=False, batch=1)  # warms up
    said = []
    for leave_mib, meant in ((160, "a smaller batch"), (0, "the CPU")):
        encoder.module.cpu()
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        free, _total = torch.cuda.mem_get_info()
        hog = _filled(free - (leave_mib << 20))
        found = embed(encoder, windows, places, orders, device="cuda", with_patches=False, batch=8)
        del hog
        torch.testing.assert_close(
            torch.tensor(found.cls), torch.tensor(expected.cls), atol=GATE, rtol=GATE
        )
        said.append(
            f"{leave_mib} MiB left, {meant} expected: ran on {found.device} with "
            f"{found.batch} at a time, right; it says: {' '.join(found.notes)}"
        )
    return said


def _filled(size: int) -> list[Tensor]:
    """Take `size` bytes of the accelerator, or as much as there is, in pieces."""
    pieces = []
    piece = 256 << 20
    while size > 0 and piece >= 1 << 20:
        try:
            pieces.append(torch.empty(min(piece, size), dtype=torch.uint8, device="cuda"))
            size -= pieces[-1].numel()
        except torch.OutOfMemoryError:
            piece //= 2
    return pieces


# ---------------------------------------------------------------------------- the run


def environment(device: str) -> dict[str, Any]:
    """What the figures depend on."""
    try:
        import transformers

        peer = transformers.__version__
    except ImportError:
        peer = "absent"
    return {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": peer,
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if device == "cuda" else "none",
    }


def main() -> None:
    """Measure what was asked for, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default="", help=f"of {', '.join((*LM, *VIT))}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="0 = all cores")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes, a few seconds")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    default = "13m-quick,vit-quick" if options.quick else "13m-256,13m-512,vit-111m,vit-650m"
    names = (options.models or default).split(",")
    if unknown := set(names) - {*LM, *VIT}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join((*LM, *VIT))}")
    report: dict[str, Any] = {"environment": environment(options.device), "failures": []}
    print(json.dumps(report["environment"]))

    def attempt(what: str, name: str, work: Callable[[], Any], text: Callable[[Any], str]) -> None:
        """One part of the run; a fault is written down and the other parts go on."""
        try:
            found = work()
        except (AssertionError, RuntimeError, AppError) as fault:
            report["failures"].append(f"{what} {name}: {type(fault).__name__}: {fault}"[:2000])
            print("FAILED", report["failures"][-1], flush=True)
        else:
            report.setdefault(what, []).append(found)
            print(text(found), flush=True)
        gc.collect()
        if options.device == "cuda":
            torch.cuda.empty_cache()

    with torch.no_grad():
        for name in names:
            repeats = min(options.repeats, 3) if name == "vit-650m" else options.repeats
            attempt(
                "speed",
                name,
                partial(measure, name, options.device, options.batch, repeats),
                table,
            )
        if options.device == "cuda":
            for name in names:
                attempt("devices", name, partial(compare_devices, name), json.dumps)
            attempt("out_of_memory", "13m-256", run_out_of_memory, "\n".join)
    report["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if report["failures"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
