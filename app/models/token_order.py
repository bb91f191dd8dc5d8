"""In which order a 13M-family encoder sees its tokens: stored as integers, never as a seed.

A convolution runs along the token order, so another order is another feature. Noise whose sort
makes an order has ties, and sorting differs between devices; therefore permutations themselves
are stored.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np

from app.core.arrays import Ints, frozen
from app.core.errors import ModelError

MAX_ORDERS = 64
ARRAY_NAME = "token_orders"
_DRAWN = re.compile(r"random:(?P<count>\d{1,3})(?::(?P<seed>\d{1,9}))?")


def token_orders(wish: str, token_count: int) -> tuple[Ints, str]:
    """Permutations to average over, (order, token) int32, and where they come from.

    Parameters
    ----------
    wish
        "identity", "random:K" or "random:K:SEED" (drawn once and stored with the result), or a
        file: the npz of an earlier result (array `token_orders`) or an .npy.
    token_count
        Tokens of one window without CLS.

    Raises
    ------
    ModelError
        ``model.token_order``.
    """
    if wish == "identity":
        return frozen(np.arange(token_count)[None], np.int32), "identity"
    drawn = _DRAWN.fullmatch(wish)
    if drawn is not None:
        count, seed = int(drawn["count"]), int(drawn["seed"] or 0)
        if not 1 <= count <= MAX_ORDERS:
            raise _fault(f"{count} orders were asked for; 1 to {MAX_ORDERS} are possible")
        generator = np.random.default_rng(seed)
        orders = np.stack([generator.permutation(token_count) for _ in range(count)])
        return frozen(orders, np.int32), f"drawn once with seed {seed}"
    return read_orders(Path(wish), token_count), "read from a file"


def read_orders(path: Path, token_count: int) -> Ints:
    """Stored permutations, (order, token) int32.

    Raises
    ------
    ModelError
        ``model.token_order``.
    """
    if not path.is_file():
        raise _fault("it is neither 'identity', 'random:K[:SEED]' nor a file that is there")
    try:
        with path.open("rb") as handle:
            loaded = np.load(handle, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                with loaded:
                    if ARRAY_NAME not in loaded.files:
                        raise _fault(f"the file holds no array '{ARRAY_NAME}'")
                    orders = loaded[ARRAY_NAME]
            else:
                orders = loaded
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _fault("the file cannot be read") from error
    return check_orders(orders, token_count)


def check_orders(orders: np.ndarray, token_count: int) -> Ints:
    """Permutations of all tokens, one a row; a single one may come as a vector.

    Raises
    ------
    ModelError
        ``model.token_order``.
    """
    rows = np.atleast_2d(orders)
    if rows.dtype.kind not in "iu" or rows.ndim != 2 or not 1 <= len(rows) <= MAX_ORDERS:
        raise _fault(f"1 to {MAX_ORDERS} rows of whole numbers are needed")
    if rows.shape[1] != token_count:
        raise _fault(f"it orders {rows.shape[1]} tokens; the encoder has {token_count}")
    if not np.array_equal(np.sort(rows, axis=1), np.tile(np.arange(token_count), (len(rows), 1))):
        raise _fault("a row does not hold every token exactly once")
    return frozen(rows, np.int32)


def _fault(what: str) -> ModelError:
    return ModelError(
        f"The token order cannot be used: {what}.",
        "Use 'identity', 'random:8', or the npz of an earlier result of the same encoder.",
        code="model.token_order",
    )
