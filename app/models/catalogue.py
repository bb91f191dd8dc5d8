"""Published encoders: where they lie, on what terms, what is known of their bytes.

To add one, add an entry to `ENCODERS`. Addresses name a commit or revision, never a branch. Only
`config.json` and `pytorch_model.bin` are ever fetched; the optimiser, scheduler and random
states and the training arguments beside them are pickles that nothing here opens.
"""

from __future__ import annotations

from app.core.published import Licence, Published, PublishedFile

CONFIG_NAME = "config.json"
SOURCE_NAME = "pytorch_model.bin"  # as published: a pickle in a zip file
WEIGHTS_NAME = "model.safetensors"  # as installed
CONFIG_LIMIT_BYTES = 64 * 1024
MAX_CHECKPOINT_BYTES = 3_000_000_000  # above the largest published one, 2.63 GB

_GITHUB = (
    "https://raw.githubusercontent.com/vandijklab/BrainLM/"
    "b591d88d0efffc0f059c73dfca1f293554795af1/pretrained_models/"
    "2023-06-06-22_15_00-checkpoint-1400/"
)
_HUGGING_FACE = (
    "https://huggingface.co/vandijklab/brainlm/resolve/4c54e0cccf920d9d6af7c647cb866fc19c60cf26/"
)
_NC_ND_TEXT = """\
Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International (CC BY-NC-ND 4.0).

In short (the full text at the address below is what binds):
- You may use, copy and share the weights for NON-COMMERCIAL purposes only. Non-commercial means
  not primarily intended for commercial advantage or monetary compensation. A commercial sponsor's
  use needs the authors' permission.
- You must credit the authors: J. Ortega Caro, A. H. de Oliveira Fonseca and others, BrainLM.
- You may make adapted material for yourself but may NOT share it: no fine-tuned, converted or
  otherwise changed weights may be passed on. This program converts the file once to another format
  for use on this computer only and leaves it out of every export.
- The weights come "as is", without warranty of any kind.
"""
_NC_ND = Licence(
    name="CC BY-NC-ND 4.0",
    text=_NC_ND_TEXT,
    address="https://creativecommons.org/licenses/by-nc-nd/4.0/legalcode",
    non_commercial=True,
)
_PILOT_LICENCE = Licence(
    name="unclear: treat as CC BY-NC-ND 4.0",
    text="The terms of these weights are unclear: the repository's LICENSE file is Apache-2.0, its "
    "front page shows a badge CC BY-NC-ND 4.0 (labelled as the preprint's). Here the stricter one "
    "is applied:\n\n" + _NC_ND_TEXT,
    address="https://github.com/vandijklab/BrainLM",
    non_commercial=True,
)
_NOT_FOR = (
    "Anybody with a commercial purpose, such as a commercial sponsor of a trial, without the "
    "authors' permission."
)
_REFERENCE = "Ortega Caro, Fonseca et al., BrainLM, ICLR 2024 (bioRxiv 2023.09.12.557460)"


def _files(
    base: str,
    size_bytes: int | None,
    largest_bytes: int,
    sha256: str = "",
    config: tuple[int, str] | None = None,
) -> tuple[PublishedFile, ...]:
    known = sha256 != ""
    return (
        PublishedFile(
            CONFIG_NAME,
            base + CONFIG_NAME,
            CONFIG_LIMIT_BYTES,
            config[0] if config else None,
            config[1] if config else "",
            "pinned" if config else "unknown",
        ),
        PublishedFile(
            SOURCE_NAME,
            base + SOURCE_NAME,
            largest_bytes,
            size_bytes,
            sha256,
            "reported" if known else "unknown",
        ),
    )


def _hugging_face(
    folder: str, title: str, about: str, largest_bytes: int, sizes: dict[str, object]
) -> Published:
    return Published(
        id=folder,
        kind="encoder",
        title=title,
        source=f"Hugging Face vandijklab/brainlm, folder {folder}, revision 4c54e0c",
        files=_files(f"{_HUGGING_FACE}{folder}/", None, largest_bytes),
        licence=_NC_ND,
        who_may_not_use_it=_NOT_FOR,
        needs=("A424",),
        about=about,
        reference=_REFERENCE,
        recognised_by=tuple(sizes.items()),
    )


ENCODERS: tuple[Published, ...] = (
    Published(
        id="checkpoint-1400",
        kind="encoder",
        title="BrainLM pilot, 5 M parameters (2023-06-06, checkpoint 1400)",
        source="GitHub vandijklab/BrainLM, pretrained_models, commit b591d88",
        files=_files(
            _GITHUB,
            30_471_369,
            30_471_369,
            "e647c70b2af023d945bfd61b4187c4fdf1700fbb4433a0818e982520564493c5",
            (935, "03142b047b43e174a1f2d9f64c43396916740abf014f9a404e33487575714091"),
        ),
        licence=_PILOT_LICENCE,
        who_may_not_use_it=_NOT_FOR,
        needs=("A424",),
        about="A development run (best validation R2 0.142 in its own log), not the model of the "
        "BrainLM paper. Size and SHA-256 of the weights were reported by a third party.",
        reference=_REFERENCE,
        recognised_by=(
            ("family", "13m"),
            ("hidden_size", 256),
            ("num_hidden_layers", 4),
            ("decoder_num_hidden_layers", 2),
        ),
    ),
    _hugging_face(
        "old_13M",
        "BrainLM 13M",
        "512 wide, 4 layers, windows of 200 frames in patches of 20.",
        80_000_000,
        {"family": "13m", "hidden_size": 512, "num_hidden_layers": 4},
    ),
    _hugging_face(
        "vitmae_111M",
        "BrainLM ViT-MAE 111M",
        "768 wide, 12 layers, patches of 16.",
        470_000_000,
        {"family": "vit", "hidden_size": 768, "num_hidden_layers": 12, "patch_size": 16},
    ),
    _hugging_face(
        "vitmae_650M",
        "BrainLM ViT-MAE 650M",
        "1280 wide, 32 layers, patches of 14. Installing it needs about 3 GB of memory.",
        2_700_000_000,
        {"family": "vit", "hidden_size": 1280, "num_hidden_layers": 32, "patch_size": 14},
    ),
)
