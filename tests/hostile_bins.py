# ruff: noqa: E501 - tables of odd things, one beside the other
"""Hostile and broken `.bin` checkpoints, put together byte by byte. Generated, never stored.

Each function yields ``(name, content)``. All are variations of one tiny sound checkpoint, so that
the one thing that is wrong is what must be noticed.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {
    "architectures": ["BrainLMForPretraining"], "model_type": "brainlm_mae",
    "hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 3,
    "decoder_hidden_size": 2, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 1,
    "decoder_intermediate_size": 3, "num_brain_voxels": 5, "num_timepoints_per_voxel": 8,
    "timepoint_patching_size": 4, "conv_kernel_size": 3, "num_landmarks": 64,
    "segment_means_seq_len": 64, "layer_norm_eps": 1e-12,
}  # fmt: skip
VIT_CONFIG: dict[str, Any] = {
    "architectures": ["ViTMAEForPreTraining"], "hidden_size": 2, "num_hidden_layers": 1,
    "num_attention_heads": 1, "intermediate_size": 3, "decoder_hidden_size": 2,
    "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 1,
    "decoder_intermediate_size": 3, "patch_size": 16, "image_size": [432, 432], "num_channels": 3,
}  # fmt: skip
Case = tuple[str, bytes]
Arrays = dict[str, np.ndarray]
CANARY = "canary-was-here"


def arrays_of(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    """Sound numbers for the shapes."""
    rng = np.random.default_rng(8)
    return {name: rng.standard_normal(shape).astype("<f4") for name, shape in shapes.items()}


# instructions ------------------------------------------------------------------------------

MARK, TUPLE, STOP, REDUCE, PERSID, EMPTY, BUILD = b"(", b"t", b".", b"R", b"Q", b")", b"b"


def text(words: str) -> bytes:
    raw = words.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name_of(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def tuple_of(*parts: bytes) -> bytes:
    return MARK + b"".join(parts) + TUPLE


def storage(
    key: str, count: int, kind: str = "FloatStorage", *, module: str = "torch", device: str = "cpu"
) -> bytes:
    return (
        tuple_of(text("storage"), name_of(module, kind), text(key), text(device), number(count))
        + PERSID
    )


def hooks() -> bytes:
    return name_of("collections", "OrderedDict") + EMPTY + REDUCE


def tensor(
    store: bytes,
    shape: tuple[int, ...],
    offset: int = 0,
    stride: tuple[int, ...] | None = None,
    *,
    function: tuple[str, str] = ("torch._utils", "_rebuild_tensor_v2"),
    last: bytes | None = None,
) -> bytes:
    if stride is None:
        stride = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return (
        name_of(*function)
        + tuple_of(
            store,
            number(offset),
            tuple_of(*map(number, shape)),
            tuple_of(*map(number, stride)),
            b"\x89",
            hooks() if last is None else last,
        )
        + REDUCE
    )


def table(items: list[tuple[bytes, bytes]]) -> bytes:
    return b"}" + MARK + b"".join(key + value for key, value in items) + b"u"


def items_of(arrays: Arrays, kind: str = "FloatStorage") -> list[tuple[bytes, bytes]]:
    return [
        (text(name), tensor(storage(str(index), max(array.size, 1), kind), array.shape))
        for index, (name, array) in enumerate(arrays.items())
    ]


def whole(body: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + body + STOP


def members_of(pickle_bytes: bytes, arrays: Arrays, folder: str = "a") -> dict[str, bytes]:
    return {
        f"{folder}/data.pkl": pickle_bytes,
        f"{folder}/byteorder": b"little",
        **{f"{folder}/data/{i}": a.tobytes() for i, a in enumerate(arrays.values())},
        f"{folder}/version": b"3\n",
    }


Touch = Callable[[zipfile.ZipInfo], None]


def archive(
    members: dict[str, bytes] | list[tuple[str, bytes]], touch: Touch | None = None
) -> bytes:
    """A zip of stored members, each header touched by `touch` before it is written."""
    buffer = io.BytesIO()
    pairs = list(members.items()) if isinstance(members, dict) else members
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as zipped:
        warnings.simplefilter("ignore")  # a name twice is meant
        for name, content in pairs:
            info = zipfile.ZipInfo("x")
            info.filename = name  # as it is, NUL and all
            info.external_attr = 0
            if touch is not None:
                touch(info)
            zipped.writestr(info, content)
    return buffer.getvalue()


def sound(arrays: Arrays) -> bytes:
    return archive(members_of(whole(table(items_of(arrays))), arrays))


# pickles that want to run something --------------------------------------------------------


def calls(canary: str) -> dict[str, tuple[str, str, tuple[bytes, ...]]]:
    """Functions that would leave the canary file, or are a step on the way."""
    shell = text(f"touch {canary}")
    code = text(f"open({canary!r}, 'w').close()")
    found = {
        "os.system": ("os", "system", (shell,)),
        "posix.system": ("posix", "system", (shell,)),
        "nt.system": ("nt", "system", (shell,)),
        "os.popen": ("os", "popen", (shell,)),
        "os.execl": ("os", "execl", (text("/bin/touch"), text("touch"), text(canary))),
        "os.mkdir": ("os", "mkdir", (text(canary),)),
        "subprocess.Popen": ("subprocess", "Popen", (tuple_of(text("touch"), text(canary)),)),
        "subprocess.getoutput": ("subprocess", "getoutput", (shell,)),
        "commands": ("pty", "spawn", (shell,)),
        "builtins.eval": ("builtins", "eval", (code,)),
        "builtins.exec": ("builtins", "exec", (code,)),
        "__builtin__.eval": ("__builtin__", "eval", (code,)),
        "builtins.compile": ("builtins", "compile", (code, text("x"), text("exec"))),
        "builtins.open": ("builtins", "open", (text(canary), text("w"))),
        "io.open": ("io", "open", (text(canary), text("w"))),
        "_io.FileIO": ("_io", "FileIO", (text(canary), text("w"))),
        "builtins.getattr": ("builtins", "getattr", (text("x"), text("upper"))),
        "builtins.__import__": ("builtins", "__import__", (text("antigravity"),)),
        "builtins.breakpoint": ("builtins", "breakpoint", ()),
        "importlib": ("importlib", "import_module", (text("this"),)),
        "runpy": ("runpy", "_run_code", (code, b"}")),
        "shutil.rmtree": ("shutil", "rmtree", (text("/nowhere"),)),
        "shutil.copy": ("shutil", "copy", (text("/etc/hostname"), text(canary))),
        "pathlib": ("pathlib", "Path", (text(canary),)),
        "socket": ("socket", "create_connection", (tuple_of(text("127.0.0.1"), number(9)),)),
        "urllib": ("urllib.request", "urlretrieve", (text("http://127.0.0.1:9/"), text(canary))),
        "webbrowser": ("webbrowser", "open", (text("http://127.0.0.1:9/"),)),
        "ctypes": ("ctypes", "CDLL", (text("libc.so.6"),)),
        "marshal": ("marshal", "loads", (text("x"),)),
        "pickle.loads": ("pickle", "loads", (text("x"),)),
        "types.FunctionType": ("types", "FunctionType", (b"N", b"}")),
        "functools.partial": ("functools", "partial", (name_of("os", "system"), shell)),
        "functools.reduce": ("functools", "reduce", (name_of("os", "system"), shell)),
        "operator.methodcaller": ("operator", "methodcaller", (text("system"), shell)),
        "operator.attrgetter": ("operator", "attrgetter", (text("system"),)),
        "copyreg": ("copyreg", "_reconstructor", (name_of("os", "system"), b"N", b"N")),
        "timeit": ("timeit", "timeit", (code,)),
        "cProfile": ("cProfile", "run", (code,)),
        "pdb": ("pdb", "run", (code,)),
        "code": ("code", "interact", ()),
        "bdb": ("bdb", "Bdb.run", (code,)),
        "asyncio": ("asyncio.unix_events", "_UnixSubprocessTransport._start", ()),
        "logging": ("logging", "FileHandler", (text(canary),)),
        "tempfile": ("tempfile", "mkstemp", ()),
        "pip": ("pip", "main", (b"]",)),
        "setuptools": ("setuptools", "distutils.core.run_setup", (text("x"),)),
        "numpy.load": ("numpy", "load", (text(canary),)),
        "numpy.memmap": ("numpy", "memmap", (text(canary),)),
        "numpy._reconstruct": ("numpy.core.multiarray", "_reconstruct", (b"N", b"N", b"N")),
        "numpy.testing": ("numpy.testing._private.utils", "runstring", (code, b"}")),
        "torch.load": ("torch.serialization", "load", (text(canary),)),
        "torch.save": ("torch", "save", (b"}", text(canary))),
        "torch.hub.load": ("torch.hub", "load", (text("a/b"), text("c"))),
        "torch.jit.load": ("torch.jit", "load", (text(canary),)),
        "torch.storage._load_from_bytes": ("torch.storage", "_load_from_bytes", (text("x"),)),
        "torch.collect_env": ("torch.utils.collect_env", "run", (shell,)),
        "torch.bottleneck": ("torch.utils.bottleneck.__main__", "run_cprofile", (code,)),
        "torch.ops.load_library": ("torch", "ops.load_library", (text(canary),)),
        "torch.cpp_extension": ("torch.utils.cpp_extension", "load_inline", (text("x"),)),
        "torch._dynamo": ("torch._dynamo.guards", "GuardBuilder.get", (text("x"),)),
        "torch._inductor": ("torch._inductor.codecache", "compile_file", (text("x"),)),
        "torch.fx": ("torch.fx.graph_module", "reduce_graph_module", (b"}", text("x"))),
        "torch.package": ("torch.package", "PackageImporter", (text(canary),)),
        "torch.nn.Linear": ("torch.nn.modules.linear", "Linear", (number(1), number(1))),
        "torch.distributed": ("torch.distributed.rpc.internal", "_run_function", (text("x"),)),
        "torch.multiprocessing": ("torch.multiprocessing.reductions", "rebuild_storage_fd", ()),
        "torch._utils.cpu": ("torch._utils", "_rebuild_device_tensor_from_numpy", (b"N",)),
        "torch._utils.sparse": ("torch._utils", "_rebuild_sparse_tensor", (b"N", b"N")),
        "torch._utils.meta": ("torch._utils", "_rebuild_meta_tensor_no_storage", (b"N",) * 4),
        "torch._utils.wrapper": ("torch._utils", "_rebuild_wrapper_subclass", (b"N",) * 5),
        "torch._tensor": ("torch._tensor", "_rebuild_from_type_v2", (b"N",) * 4),
        "torch.Tensor.set_": ("torch", "Tensor.set_", (b"N",)),
        "transformers": ("transformers.training_args", "TrainingArguments", ()),
    }  # fmt: skip
    return {name: (module, function, arguments) for name, (module, function, arguments)
            in found.items()}  # fmt: skip


def call(module: str, function: str, arguments: tuple[bytes, ...]) -> bytes:
    return name_of(module, function) + tuple_of(*arguments) + REDUCE


def pickles(arrays: Arrays, canary: str) -> Iterator[Case]:
    """A call in the place of the table, and a table with a call hidden in every other place."""
    items = items_of(arrays)
    for name, parts in calls(canary).items():
        yield f"call {name}", _with(whole(call(*parts)), arrays)
    bomb = call("os", "system", (text(f"touch {canary}"),))
    first_key, first_value = items[0]
    store = storage("0", arrays[next(iter(arrays))].size)
    shape = next(iter(arrays.values())).shape
    rest = items[1:]
    places = {
        "before the table": bomb + b"0" + table(items),
        "after the table": table(items) + bomb + b"0",
        "as a key": table([(bomb, first_value), *rest]),
        "as a value": table([(first_key, bomb), *rest]),
        "as an extra value": table([*items, (text("extra"), bomb)]),
        "as a storage": table([(first_key, tensor(bomb, shape)), *rest]),
        "as hooks": table([(first_key, tensor(store, shape, last=bomb)), *rest]),
        "as remarks": table(items) + bomb + BUILD,
        "as state of remarks": table(items) + table([(text("_metadata"), bomb)]) + BUILD,
        "as a persistent id": table([(first_key, bomb + PERSID), *rest]),
        "in the memo": bomb + b"q\x05" + b"0" + table([(first_key, b"h\x05"), *rest]),
        "in a tuple": table([(first_key, tuple_of(bomb)), *rest]),
        "as arguments of the dict": name_of("collections", "OrderedDict") + bomb + REDUCE,
        "as the function": bomb + EMPTY + REDUCE,
        "as kind of storage": table(
            [(first_key, tensor(tuple_of(text("storage"), bomb, text("0"), text("cpu"),
                                         number(2)) + PERSID, shape)), *rest]
        ),
        "as shape": table([(first_key, name_of("torch._utils", "_rebuild_tensor_v2")
                            + tuple_of(store, number(0), bomb, bomb, b"\x89", hooks())
                            + REDUCE), *rest]),
        "as the state of a tensor": table([(first_key, first_value + bomb + BUILD), *rest]),
        "as the state of a function": name_of("os", "system") + b"}" + BUILD + b"0" + table(items),
        "overwriting a function": name_of("torch._utils", "_rebuild_tensor_v2")
        + table([(text("__code__"), bomb)]) + BUILD,
    }  # fmt: skip
    for name, body in places.items():
        yield f"call {name}", _with(whole(body), arrays)
    sound_table = whole(table(items))
    yield "two pickles in one", _with(sound_table + whole(bomb), arrays)
    yield "code behind the end", _with(sound_table + b"cos\nsystem\n", arrays)


def opcodes(arrays: Arrays, canary: str) -> Iterator[Case]:
    """Instructions that no table of tensors needs."""
    good = table(items_of(arrays))
    line = f"touch {canary}"
    stack_name = text("os") + text("system") + b"\x93"
    odd: dict[str, bytes] = {
        "INST": b"(S'" + line.encode() + b"'\nios\nsystem\n",
        "OBJ": b"(cos\nsystem\n" + text(line) + b"o",
        "NEWOBJ": name_of("os", "system") + tuple_of(text(line)) + b"\x81",
        "NEWOBJ_EX": name_of("os", "system") + tuple_of(text(line)) + b"}\x92",
        "STACK_GLOBAL": stack_name + tuple_of(text(line)) + REDUCE,
        "EXT1": b"\x82\x01", "EXT2": b"\x83\x01\x00", "EXT4": b"\x84\x01\x00\x00\x00",
        "PERSID as text": b"Pos.system\n",
        "DUP": text("x") + b"2", "POP": text("x") + b"0", "POP_MARK": b"(1",
        "STRING": b"S'x'\n", "BINSTRING": b"T\x01\x00\x00\x00x", "SHORT_BINSTRING": b"U\x01x",
        "UNICODE": b"Vx\n", "INT": b"I1\n", "INT true": b"I01\n", "LONG": b"L1L\n",
        "FLOAT": b"F1.0\n", "BINFLOAT": b"G" + bytes(8), "LONG4": b"\x8b\x01\x00\x00\x00\x01",
        "LONG4 huge": b"\x8b\xff\xff\xff\x7f", "BINBYTES": b"B\x01\x00\x00\x00x",
        "BINBYTES8 huge": b"\x8e" + struct.pack("<Q", 1 << 62), "SHORT_BINBYTES": b"C\x01x",
        "BYTEARRAY8": b"\x96" + struct.pack("<Q", 1) + b"x",
        "BINUNICODE8 huge": b"\x8d" + struct.pack("<Q", 1 << 60),
        "BINUNICODE huge": b"X\xff\xff\xff\xff", "NEXT_BUFFER": b"\x97",
        "READONLY_BUFFER": text("x") + b"\x98", "FRAME": b"\x95" + struct.pack("<Q", 4),
        "EMPTY_LIST": b"]", "LIST": b"(l", "APPEND": b"]" + text("x") + b"a",
        "APPENDS": b"](" + text("x") + b"e", "DICT": b"(d", "EMPTY_SET": b"\x8f",
        "ADDITEMS": b"\x8f(" + text("x") + b"\x90", "FROZENSET": b"(\x91",
        "MEMOIZE": text("x") + b"\x94", "PUT": text("x") + b"p1\n", "GET": text("x") + b"p1\ng1\n",
        "unknown instruction": b"\xff", "GET of nothing": b"h\x77",
        "TUPLE without a mark": b"t", "REDUCE of nothing": b"R", "SETITEMS of nothing": b"u",
        "BUILD of nothing": b"b", "STOP of nothing": b".", "text that is no UTF-8": b"X\x01\0\0\0\xff",
        "overlong text": text("x" * 3000), "GLOBAL with odd letters": b"c\xff\xfe\nx\n",
        "GLOBAL cut": b"cos", "second PROTO": b"\x80\x05", "PROTO of the future": b"\x80\xff",
    }  # fmt: skip
    for name, instruction in odd.items():
        yield f"opcode {name}", _with(whole(instruction + b"0" + good), arrays)
    for protocol in (0, 1, 3, 4, 5, 255):
        yield f"protocol {protocol}", _with(whole(good, protocol), arrays)
    deep = b"".join([MARK * 50_000, b"N", TUPLE * 50_000])
    yield "tuples 50,000 deep", _with(whole(deep), arrays)
    wide = b"}" + b"q\x01" + b"0" + b"h\x01" * 300_000
    yield "300,000 references", _with(whole(wide), arrays)
    doubling = text("x") + b"".join(b"q\x01h\x01h\x01\x86" for _ in range(60))
    yield "tuples that double 60 times", _with(whole(doubling), arrays)


class _Bomb:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch {self.canary}",)


def wrappers(arrays: Arrays, canary: str) -> Iterator[Case]:
    """Pickles outside torch's own zip."""
    for protocol in range(6):
        yield f"bare pickle, protocol {protocol}", pickle.dumps(_Bomb(canary), protocol)
    bomb = pickle.dumps(_Bomb(canary), 2)
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    yield "torch before 1.6", magic + pickle.dumps({"little_endian": True}, 2) + bomb
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("pickle", "storages", "tensors"):
            info = tarfile.TarInfo(name)
            info.size = len(bomb)
            tar.addfile(info, io.BytesIO(bomb))
    yield "tar of torch before 0.1.10", buffer.getvalue()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("../../" + CANARY)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    yield "tar that climbs out", buffer.getvalue()
    yield "gzip of a pickle", gzip.compress(bomb, mtime=0)
    yield "pickle in front of a zip", bomb + sound(arrays)
    yield "zip with a pickle behind", sound(arrays) + bomb
    yield "numpy array of objects", _numpy_objects(bomb)
    yield "joblib dump", b"ZF" + bomb
    yield "HDF5 head", b"\x89HDF\r\n\x1a\n" + bomb
    yield "ONNX head", b"\x08\x07\x12\x07pytorch" + bomb
    yield "python source", f"open({canary!r}, 'w')\n".encode()
    yield "shell script", f"#!/bin/sh\ntouch {canary}\n".encode()
    yield "ELF head", b"\x7fELF\x02\x01\x01" + bytes(100)
    for folder in ("code", "constants"):
        script = {**members_of(whole(table(items_of(arrays))), arrays)}
        script[f"a/{folder}/__torch__.py"] = b"import os"
        yield f"TorchScript with {folder}", archive(script)
    jit = {**members_of(whole(table(items_of(arrays))), arrays), "a/constants.pkl": bomb}
    yield "TorchScript constants.pkl", archive(jit)


def _numpy_objects(bomb: bytes) -> bytes:
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bomb


# containers ----------------------------------------------------------------------------------


def containers(arrays: Arrays) -> Iterator[Case]:
    """Zip files that are no container of torch, or lie about themselves."""
    pickled = whole(table(items_of(arrays)))
    members = members_of(pickled, arrays)
    good = archive(members)
    names = {
        "slip": "../../" + CANARY, "slip inside": "a/../../../" + CANARY,
        "slip in data": "a/data/../../../" + CANARY, "absolute": "/tmp/" + CANARY,
        "drive": "C:\\" + CANARY, "backslashes": "a\\..\\..\\" + CANARY, "NUL": "a/data/0\0.txt",
        "device CON": "a/CON", "device aux": "a/data/aux", "device lpt1": "a/lpt1.txt",
        "300 letters": "a/" + "x" * 300, "right to left": "a/data/\u202e0", "emoji": "a/data/\U0001f9e0",
        "decomposed": "a/data/e\u0301", "leading zero": "a/data/007", "negative": "a/data/-1",
        "a space": "a/data/0 ", "a dot": "a/data/.", "double slash": "a//data/9",
        "second folder": "b/data/0", "no folder": "data.pkl", "home": "~/" + CANARY,
        "variable": "a/$HOME", "a folder": "a/data/", "line feed": "a/data/0\n",
        "pickle beside": "a/data/evil.pkl", "python beside": "a/__init__.py",
    }  # fmt: skip
    for name, member in names.items():
        yield f"member name: {name}", archive([*members.items(), (member, b"x")])
    yield "member twice", archive([*members.items(), ("a/data/0", b"xxxx")])
    yield "data.pkl twice", archive([*members.items(), ("a/data.pkl", pickled)])

    def attribute(value: int) -> Touch:
        def touch(info: zipfile.ZipInfo) -> None:
            if info.filename.endswith("data/0"):
                info.external_attr = value

        return touch

    for name, mode in {"link": 0o120777, "folder": 0o040755, "pipe": 0o010644,
                       "character device": 0o020644, "block device": 0o060644,
                       "socket": 0o140644}.items():  # fmt: skip
        yield f"member is a {name}", archive(members, attribute(mode << 16))
    yield "member is a DOS folder", archive(members, attribute(0x10))
    yield "empty zip", archive({})
    yield "no data.pkl", archive({k: v for k, v in members.items() if "pkl" not in k})
    yield "empty data.pkl", archive({**members, "a/data.pkl": b""})
    yield "data.pkl of 5 MB", archive({**members, "a/data.pkl": pickled + bytes(5 << 20)})
    yield "big-endian", archive({**members, "a/byteorder": b"big"})
    yield "a storage is missing", archive({k: v for k, v in members.items() if k != "a/data/3"})
    yield "a storage is short", archive({**members, "a/data/0": members["a/data/0"][:-4]})
    yield "a storage is long", archive({**members, "a/data/0": members["a/data/0"] + bytes(4)})
    yield "a storage is empty", archive({**members, "a/data/0": b""})
    yield "5,000 members", archive({**members, **{f"a/data/{i}": b"" for i in range(100, 5100)}})

    def method(kind: int) -> Touch:
        def touch(info: zipfile.ZipInfo) -> None:
            info.compress_type = kind

        return touch

    zeros = {**members, "a/data/0": bytes(8 << 20)}
    for kind, name in ((zipfile.ZIP_DEFLATED, "deflate"), (zipfile.ZIP_BZIP2, "bzip2"),
                       (zipfile.ZIP_LZMA, "lzma")):  # fmt: skip
        yield f"bomb of 8 MB, {name}", archive(zeros, method(kind))
    central, end = good.index(b"PK\x01\x02"), good.rindex(b"PK\x05\x06")

    def patched(place: int, content: bytes) -> bytes:
        return good[:place] + content + good[place + len(content) :]

    yield "comment behind", good[:-2] + b"\x05\x00" + b"hello"
    yield "bytes before", b"#!/bin/sh\n" + good
    yield "bytes behind", good + bytes(10)
    yield "bytes between", good[:central] + b"hidden" + good[central:]
    yield "encrypted", patched(central + 8, b"\x01\x00")
    yield "strongly encrypted", patched(central + 8, b"\x41\x00")
    yield "masked headers", patched(central + 8, b"\x00\x20")
    yield "wrong checksum in the directory", patched(central + 16, b"\xde\xad\xbe\xef")
    yield "wrong checksum in the member", patched(14, b"\xde\xad\xbe\xef")
    yield "wrong stored size", patched(central + 20, struct.pack("<I", 10))
    yield "wrong true size", patched(central + 24, struct.pack("<I", 1 << 30))
    yield "both sizes 4 GB", patched(central + 20, struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0))
    yield "unknown compression", patched(central + 10, struct.pack("<H", 97))
    yield "member placed elsewhere", patched(central + 42, struct.pack("<I", 7))
    yield "member placed far away", patched(central + 42, struct.pack("<I", 0x7FFFFFFF))
    yield "local name differs", patched(30, b"b")
    yield "local method differs", patched(8, b"\x08\x00")
    yield "local mark damaged", patched(0, b"PK\x03\x05")
    second = good.index(b"PK\x03\x04", 4)
    yield "second local mark damaged", patched(second, b"XXXX")
    yield "members overlap", _overlapping(good, central)
    yield "directory says 3 members", patched(end + 8, struct.pack("<HH", 3, 3))
    yield "directory says 65,535 members", patched(end + 8, b"\xff\xff\xff\xff")
    yield "directory elsewhere", patched(end + 16, struct.pack("<I", 0))
    yield "directory of 4 GB", patched(end + 12, struct.pack("<I", 0xFFFFFFFE))
    yield "second disk", patched(end + 4, b"\x01\x00\x01\x00")
    yield "no end", good[:end]
    yield "only an end", good[end:]
    yield "a bit flipped in a storage", _flipped(good, good.index(b"a/data/0") + 200)
    yield "a bit flipped in data.pkl", _flipped(good, 60)
    for share in (0.0, 0.0005, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
                  0.95, 0.99):  # fmt: skip
        yield f"cut at {share:.2%}", good[: int(len(good) * share)]
    for less in (1, 2, 21, 22, 23):
        yield f"cut by {less} bytes", good[:-less]


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


def _overlapping(good: bytes, central: int) -> bytes:
    """The second entry of the directory points to the first member's bytes."""
    second = good.index(b"PK\x01\x02", central + 4)
    return good[: second + 42] + good[central + 42 : central + 46] + good[second + 46 :]


# tensors --------------------------------------------------------------------------------------


def tensors(arrays: Arrays, vit: Arrays) -> Iterator[Case]:
    """Tables that are no state dict of this model."""
    items = items_of(arrays)
    names = list(arrays)
    first = arrays[names[0]]
    store = storage("0", first.size)

    def replaced(value: bytes, extra: Arrays | None = None) -> bytes:
        return _with(whole(table([(text(names[0]), value), *items[1:]])), extra or arrays)

    shape = first.shape
    odd = {
        "negative offset": tensor(store, shape, -1),
        "offset beyond": tensor(store, shape, first.size),
        "huge offset": tensor(store, shape, 1 << 61),
        "negative shape": tensor(store, (1, 1, -2)),
        "huge shape": tensor(store, (1 << 38, 1 << 38)),
        "shape of a petabyte by stride 0": tensor(store, (1 << 38,), 0, (0,)),
        "stride 0": tensor(store, shape, 0, (0, 0, 0)),
        "overlapping stride": tensor(store, (2, 2), 0, (1, 1)),
        "strides too few": tensor(store, shape, 0, (1,)),
        "strides too many": tensor(store, shape, 0, (2, 2, 1, 1)),
        "30 axes": tensor(store, (1,) * 30),
        "no numbers": tensor(store, (0,)),
        "storage claims more": tensor(storage("0", 1 << 20), shape),
        "storage claims less": tensor(storage("0", 1), shape),
        "storage of nothing": tensor(storage("9999", 2), shape),
        "storage by a path": tensor(storage("../../../etc/passwd", 2), shape),
        "storage by data.pkl": tensor(storage("../data.pkl", 2), shape),
        "storage by a number": tensor(
            tuple_of(text("storage"), name_of("torch", "FloatStorage"), number(0), text("cpu"),
                     number(2)) + PERSID, shape),
        "storage of another word": tensor(
            tuple_of(text("module"), name_of("torch", "FloatStorage"), text("0"), text("cpu"),
                     number(2)) + PERSID, shape),
        "storage with six parts": tensor(
            tuple_of(text("storage"), name_of("torch", "FloatStorage"), text("0"), text("cpu"),
                     number(2), b"N") + PERSID, shape),
        "tensor of version 1": tensor(store, shape, function=("torch._utils", "_rebuild_tensor")),
        "tensor of version 3": tensor(store, shape, function=("torch._utils", "_rebuild_tensor_v3")),
        "a number": number(3), "nothing": b"N", "a text": text("x"), "a tuple": tuple_of(store),
        "a table": b"}", "a function": name_of("torch._utils", "_rebuild_tensor_v2"),
    }  # fmt: skip
    for kind in ("LongStorage", "IntStorage", "BoolStorage", "ComplexFloatStorage", "QInt8Storage",
                 "ByteStorage", "UntypedStorage", "storage.TypedStorage"):  # fmt: skip
        odd[f"numbers of {kind}"] = tensor(storage("0", first.size, kind), shape)
    for name, value in odd.items():
        yield f"tensor: {name}", replaced(value)
    yield (
        "tensor: half as many numbers",
        replaced(tensor(storage("0", first.size, "DoubleStorage"), shape)),
    )
    good = table(items)
    tops = {
        "a list": b"](" + good + b"e", "a tuple": tuple_of(good), "a tensor": items[0][1],
        "a table in a table": table([(text("state_dict"), good)]), "empty": b"}",
        "a number": number(1), "a name": name_of("collections", "OrderedDict"),
        "a key twice": table([items[0], *items]),
        "a key that is a number": table([(number(1), items[0][1]), *items[1:]]),
        "a key that is a tuple": table([(tuple_of(), items[0][1]), *items[1:]]),
        "unequal pairs": b"}(" + text("x") + b"u",
        "two on the stack": good + good,
    }  # fmt: skip
    for name, body in tops.items():
        yield f"top: {name}", _with(whole(body), arrays)
    many = [(text(f"t{i}"), tensor(storage("0", first.size), shape)) for i in range(5000)]
    yield "top: 5,000 tensors", _with(whole(table(many)), arrays)
    yield "keys: one missing", _sound_of({n: arrays[n] for n in names[1:]})
    yield "keys: one too many", _sound_of({**arrays, "extra.weight": first})
    yield "keys: other names", _sound_of({f"model.{n}": a for n, a in arrays.items()})
    yield "keys: escapes", _sound_of({**arrays, "\x1b[31mred\nline": first})
    yield "keys: 250 letters", _sound_of({**arrays, "x" * 250: first})
    yield "keys: none of ours", _sound_of({"weight": first})
    yield "family: the other one", _sound_of(vit)
    yield "width: 4 instead of 2", _sound_of({n: np.repeat(a, 2, -1) for n, a in arrays.items()})
    yield "width: turned", _sound_of({n: np.ascontiguousarray(a.T) for n, a in arrays.items()})
    for word, value in (("NaN", np.nan), ("infinite", np.inf), ("minus infinite", -np.inf)):
        for name in (names[0], names[len(names) // 2], names[-1]):
            spoiled = {n: a.copy() for n, a in arrays.items()}
            spoiled[name].flat[-1] = value
            yield f"{word} in {name}", _sound_of(spoiled)


def _with(pickled: bytes, arrays: Arrays) -> bytes:
    return archive(members_of(pickled, arrays))


def _sound_of(arrays: Arrays) -> bytes:
    return sound(arrays)


def config_bytes(**changes: Any) -> bytes:
    return json.dumps({**CONFIG, **changes}).encode()
