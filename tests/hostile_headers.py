# ruff: noqa: E501 - tables of odd things, one beside the other
"""Hostile and broken safetensors files and configurations. Generated, never stored."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.hostile_bins import CONFIG, Arrays, Case


def entries_of(arrays: Arrays) -> dict[str, Any]:
    place, entries = 0, {}
    for name, array in arrays.items():
        entries[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    return entries


def file_of(header: bytes | dict[str, Any], body: bytes, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def sound(arrays: Arrays) -> bytes:
    return file_of(entries_of(arrays), b"".join(a.tobytes() for a in arrays.values()))


def headers(arrays: Arrays, vit: Arrays, canary: str) -> Iterator[Case]:
    body = b"".join(a.tobytes() for a in arrays.values())
    entries = entries_of(arrays)
    first = next(iter(entries))
    good = sound(arrays)
    text = json.dumps(entries).encode()

    def entry(**changes: Any) -> bytes:
        changed = {**entries[first], **changes}
        return file_of({**entries, first: {k: v for k, v in changed.items() if v != "gone"}}, body)

    for name, length in {"0": 0, "1": 1, "7 less": len(text) - 7, "1 more": len(text) + 1,
                         "the whole file": len(good), "100 MB": 100 << 20, "2^31": 1 << 31,
                         "2^32": 1 << 32, "2^63": 1 << 63, "2^64-1": (1 << 64) - 1}.items():  # fmt: skip
        yield f"header length {name}", file_of(text, body, length=length)
    for name, words in {
        "empty table": b"{}", "a list": b"[]", "a number": b"17", "null": b"null", "a text": b'"x"',
        "cut": text[:-1], "not JSON": b"{weights}", "Python": b"{'a': 1}", "NaN": b'{"a": NaN}',
        "Infinity": b'{"a": -Infinity}', "deep lists": b'{"a":' + b"[" * 60_000,
        "deep tables": b'{"a":' * 60_000, "UTF-16": json.dumps(entries).encode("utf-16"),
        "BOM": b"\xef\xbb\xbf" + text, "not UTF-8": b'{"\xff\xfe": 1}',
        "lone surrogate": b'{"\\ud800": {"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
        "NUL": b"\0" + text, "a space before": b" " + text, "behind it": text + b"x",
        "a pickle": pickle.dumps({"a": 1}, 2), "a shebang": b"#!/bin/sh\ntouch " + canary.encode(),
        "number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    }.items():  # fmt: skip
        yield f"header is {name}", file_of(words, body)
    yield "header names a tensor twice", file_of(
        text[:-1] + b", " + json.dumps(first).encode() + b": "
        + json.dumps(entries[first]).encode() + b"}", body)  # fmt: skip
    hundred_thousand = {
        f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)
    }
    yield "header of 100,000 tensors", file_of(hundred_thousand, b"")
    yield "header of 5,000 tensors", file_of(dict(list(hundred_thousand.items())[:5000]), b"")
    for name, value in {
        "a number": 3, "a list": [1], "nested": {"a": {"b": "c"}}, "1 MB": {"a": "x" * (1 << 20)},
        "null": None, "a pickle inside a number": {"a": 128},
    }.items():  # fmt: skip
        yield f"metadata is {name}", file_of({"__metadata__": value, **entries}, body)
    for name, change in {
        "no type": {"dtype": "gone"}, "no shape": {"shape": "gone"},
        "no offsets": {"data_offsets": "gone"}, "a field too many": {"hook": "os.system"},
        "unknown type": {"dtype": "F8_E4M3"}, "object type": {"dtype": "O"},
        "type is a number": {"dtype": 7}, "type is a list": {"dtype": ["F32"]},
        "whole numbers": {"dtype": "I32"}, "truth values": {"dtype": "BOOL"},
        "wider type": {"dtype": "F64"}, "narrower type": {"dtype": "F16"},
        "shape is a number": {"shape": 2}, "shape is a text": {"shape": "2"},
        "shape is null": {"shape": None}, "negative shape": {"shape": [-1, 1, -2]},
        "shape of fractions": {"shape": [1, 1, 2.0]}, "shape of truth values": {"shape": [True, 1, 2]},
        "shape of texts": {"shape": ["1", "1", "2"]}, "huge shape": {"shape": [1 << 62, 1 << 62]},
        "1,000 axes": {"shape": [1] * 1000 + [2]}, "shape overflows to the right size":
            {"shape": [1 << 32, 1 << 32, 2]}, "other shape": {"shape": [2, 1, 1]},
        "one offset": {"data_offsets": [0]}, "three offsets": {"data_offsets": [0, 8, 8]},
        "negative offsets": {"data_offsets": [-8, 0]}, "offsets turned": {"data_offsets": [8, 0]},
        "offsets are texts": {"data_offsets": ["0", "8"]}, "offsets are fractions":
            {"data_offsets": [0.0, 8.0]}, "offsets beyond": {"data_offsets": [1 << 40, (1 << 40) + 8]},
        "offsets of 2^64": {"data_offsets": [1 << 64, (1 << 64) + 8]},
        "offsets over the next": {"data_offsets": [8, 16]},
    }.items():  # fmt: skip
        yield f"entry with {name}", entry(**change)
    for name, value in {"null": None, "a list": [1], "a text": "x"}.items():
        yield f"entry is {name}", file_of({**entries, first: value}, body)
    yield "tensors overlap", file_of(
        {n: {**e, "data_offsets": [0, e["data_offsets"][1] - e["data_offsets"][0]]}
         for n, e in entries.items()}, body)  # fmt: skip
    shifted = {
        n: {**e, "data_offsets": [o + 4 for o in e["data_offsets"]]} for n, e in entries.items()
    }
    yield "a gap in front", file_of(shifted, bytes(4) + body)
    yield "bytes behind", good + b"hidden"
    for name, key in {"empty": "", "300 letters": "x" * 300, "line feed": "a\nb", "NUL": "a\0b",
                      "escape": "\x1b[2J", "right to left": "\u202e", "a path": "../../x"}.items():  # fmt: skip
        spare = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        yield f"tensor name: {name}", file_of({**entries, key: spare}, body)
    for share in (0.0, 0.00002, 0.0001, 0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        yield f"cut at {share:.3%}", good[: int(len(good) * share)]
    yield "cut by 1 byte", good[:-1]
    yield "keys: one missing", sound(dict(list(arrays.items())[1:]))
    yield "keys: one too many", sound({**arrays, "extra": np.zeros(2, "<f4")})
    yield "family: the other one", sound(vit)
    yield "width: 4 instead of 2", sound({n: np.repeat(a, 2, -1) for n, a in arrays.items()})
    for word, value in (("NaN", np.nan), ("infinite", np.inf)):
        spoiled = {n: a.copy() for n, a in arrays.items()}
        spoiled[list(arrays)[5]].flat[0] = value
        yield f"{word} inside", sound(spoiled)


def configs() -> Iterator[Case]:
    """Configurations, each beside sound weights."""

    def changed(**changes: Any) -> bytes:
        fields = {**CONFIG, **changes}
        return json.dumps({k: v for k, v in fields.items() if v != "gone"}).encode()

    text = json.dumps(CONFIG).encode()
    for name, content in {
        "empty": b"", "not JSON": b"{hidden_size: 2}", "a list": b"[]", "a number": b"2",
        "null": b"null", "cut": text[:-1], "NaN": text[:-1] + b', "x": NaN}',
        "not UTF-8": b'{"\xff": 1}', "UTF-16": text.decode().encode("utf-16"), "BOM":
            b"\xef\xbb\xbf" + text, "deep": b'{"a":' + b"[" * 30_000, "65 KB": text + b" " * 65_536,
        "a field twice": text[:-1] + b', "hidden_size": 2}', "YAML": b"hidden_size: 2\n",
        "a pickle": pickle.dumps(CONFIG, 2), "number of 5,000 digits":
            text[:-1] + b', "x": ' + b"9" * 5000 + b"}", "NUL behind": text + b"\0",
    }.items():  # fmt: skip
        yield f"config: {name}", content
    for name, change in {
        "no architecture": {"architectures": "gone"}, "two architectures":
            {"architectures": ["BrainLMForPretraining", "ViTMAEForPreTraining"]},
        "unknown architecture": {"architectures": ["LlamaForCausalLM"]},
        "architecture is a text": {"architectures": "BrainLMForPretraining"},
        "architecture is a table": {"architectures": [{"a": 1}]},
        "other family": {"architectures": ["ViTMAEForPreTraining"]},
        "remote code": {"architectures": ["x.y--EvilModel"], "auto_map": {"AutoModel": "x.y"}},
        "no width": {"hidden_size": "gone"}, "width is a text": {"hidden_size": "2"},
        "width is a fraction": {"hidden_size": 2.0}, "width is true": {"hidden_size": True},
        "width 0": {"hidden_size": 0}, "negative width": {"hidden_size": -2},
        "width of a billion": {"hidden_size": 10**9, "decoder_hidden_size": 10**9},
        "width 4": {"hidden_size": 4, "decoder_hidden_size": 4},
        "odd width": {"hidden_size": 3, "decoder_hidden_size": 3},
        "decoder of another width": {"decoder_hidden_size": 4},
        "a million layers": {"num_hidden_layers": 10**6}, "2 layers": {"num_hidden_layers": 2},
        "0 layers": {"num_hidden_layers": 0}, "0 heads": {"num_attention_heads": 0},
        "heads that do not divide": {"num_attention_heads": 3},
        "other heads": {"num_attention_heads": 2}, "0 patches": {"timepoint_patching_size": 0},
        "window that does not fit": {"num_timepoints_per_voxel": 9},
        "approximated attention": {"num_landmarks": 32}, "kernel is a list": {"conv_kernel_size": [3]},
        "huge kernel": {"conv_kernel_size": 10**7}, "4096 wide, 64 deep":
            {"hidden_size": 4096, "decoder_hidden_size": 4096, "num_hidden_layers": 64},
    }.items():  # fmt: skip
        yield f"config: {name}", changed(**change)
