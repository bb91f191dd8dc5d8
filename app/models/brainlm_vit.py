"""BrainLM ViT-MAE (111M, 650M): a masked auto-encoder that reads parcel series as an image.

Written from the published architecture (van Dijk lab, BrainLM; a ViT-MAE). Rows are parcels in
ascending order of MNI y (stable), columns are frames; the series lies in the middle of a square
canvas of -1. The image has three equal channels, so the patch kernel is summed over them once
and one channel is read. Pre-LayerNorm layers, exact softmax attention, no convolution over
tokens: the order in which tokens are computed does not matter. State-dict keys are the
published ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.models.brainlm_vit_config import BrainLMVitConfig

SERIES_SCALE = 5.6430855  # the published divisor of the series; its origin is not documented
PADDING = -1.0


def stable_y_order(centroids_mm: Tensor) -> Tensor:
    """Parcels by ascending y, ties in their old order; (…, parcel, 3) -> (…, parcel)."""
    return torch.argsort(centroids_mm[..., 1], dim=-1, stable=True)


def grid_code(width: int, grid: int) -> Tensor:
    """Sine-cosine code of the patch grid, (1, 1 + grid * grid, width); row 0 (CLS) is zero.

    The first half of the width encodes the column, the second the row; each half holds a block
    of sines, then a block of cosines. Always on the CPU, also where a module is built without
    memory.
    """
    step = torch.arange(width // 4, dtype=torch.float64, device="cpu") / (width / 4)
    angle = torch.arange(grid, dtype=torch.float64, device="cpu")[:, None] * 10000.0**-step
    line = torch.cat([angle.sin(), angle.cos()], dim=1)
    columns = line.expand(grid, -1, -1)
    rows = line[:, None].expand(-1, grid, -1)
    code = torch.cat([columns, rows], dim=2).reshape(grid * grid, width)
    return torch.cat([torch.zeros(1, width, dtype=code.dtype, device="cpu"), code])[None].float()


def take(tokens: Tensor, places: Tensor) -> Tensor:
    """tokens (batch, token, width) at `places` (batch, place)."""
    return tokens.gather(1, places.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


class SelfAttention(nn.Module):
    """Exact softmax attention; the weights of the maps are never kept."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, asking: Tensor, tokens: Tensor) -> Tensor:
        """Answers for `asking` (batch, row, width) from all `tokens` (batch, token, width)."""

        def split(projected: Tensor) -> Tensor:
            apart: Tensor = projected.unflatten(-1, (self.heads, -1))
            return apart.transpose(1, 2)

        context: Tensor = functional.scaled_dot_product_attention(
            split(self.query(asking)), split(self.key(tokens)), split(self.value(tokens))
        )
        return context.transpose(1, 2).flatten(2)


class Projection(nn.Module):
    """A linear map under the published name ``dense``."""

    def __init__(self, inner: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, inner) -> (…, width)."""
        return self.dense(tokens)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Attention and its output projection, under the published names."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.output = Projection(width, width)

    def forward(self, asking: Tensor, tokens: Tensor) -> Tensor:
        """(batch, row, width), (batch, token, width) -> (batch, row, width)."""
        return self.output(self.attention(asking, tokens))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """One pre-LayerNorm transformer layer."""

    def __init__(self, width: int, heads: int, inner: int, epsilon: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.intermediate = Projection(width, inner)
        self.output = Projection(inner, width)
        self.layernorm_before = nn.LayerNorm(width, eps=epsilon)
        self.layernorm_after = nn.LayerNorm(width, eps=epsilon)

    def forward(self, tokens: Tensor, wanted: Tensor | None = None) -> Tensor:
        """(batch, token, width) -> the same, or only the rows `wanted` (row,) of it.

        Rows do not look at each other's answers within a layer, so leaving some out is exact.
        """
        normed = self.layernorm_before(tokens)
        if wanted is None:
            asking = normed
        else:
            asking, tokens = normed.index_select(1, wanted), tokens.index_select(1, wanted)
        tokens = tokens + self.attention(asking, normed)
        inner = functional.gelu(self.intermediate(self.layernorm_after(tokens)))
        return tokens + self.output(inner)  # type: ignore[no-any-return]


class PatchEmbeddings(nn.Module):
    """Patches to tokens under the published key ``projection``."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, side, side), standing for equal channels -> (batch, grid * grid, width)."""
        batch, side, _ = image.shape
        grid, patch = side // self.patch, self.patch
        patches = image.view(batch, grid, patch, grid, patch).transpose(2, 3)
        kernel = self.projection.weight.sum(dim=1).flatten(1)
        return functional.linear(
            patches.reshape(batch, grid * grid, patch * patch), kernel, self.projection.bias
        )


class Embeddings(nn.Module):
    """From the image to tokens with their places; tables as stored in the checkpoint."""

    def __init__(self, config: BrainLMVitConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position_embeddings = nn.Parameter(grid_code(width, config.grid), requires_grad=False)
        self.patch_embeddings = PatchEmbeddings(config.num_channels, width, config.patch_size)

    def forward(self, image: Tensor, kept: Tensor | None) -> Tensor:
        """(batch, side, side) -> (batch, 1 + kept, width); `kept` None = all, in order."""
        places = self.position_embeddings
        tokens = self.patch_embeddings(image) + places[:, 1:]
        if kept is not None:
            tokens = take(tokens, kept)
        cls = (self.cls_token + places[:, :1]).expand(tokens.shape[0], -1, -1)
        return torch.cat([cls, tokens], dim=1)


class LayerStack(nn.Module):
    """The encoder's layers under the published key ``layer``."""

    def __init__(self, config: BrainLMVitConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            Layer(
                config.hidden_size,
                config.num_attention_heads,
                config.intermediate_size,
                config.layer_norm_eps,
            )
            for _ in range(config.num_hidden_layers)
        )


class Encoder(nn.Module):
    """Embedding, layers, final LayerNorm (the published ``vit``)."""

    def __init__(self, config: BrainLMVitConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = LayerStack(config)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(
        self, image: Tensor, kept: Tensor | None = None, wanted: Tensor | None = None
    ) -> Tensor:
        """Tokens after the final LayerNorm.

        Parameters
        ----------
        image
            (batch, side, side), padded.
        kept
            (batch, kept) token numbers that are computed; None = all, in order.
        wanted
            (row,) rows that are wanted of the result, 0 = CLS; None = all. The last layer
            computes only these.

        Returns
        -------
        Tensor (batch, 1 + kept or row, width)
        """
        tokens = self.embeddings(image, kept)
        last = len(self.encoder.layer) - 1
        for index, layer in enumerate(self.encoder.layer):
            tokens = layer(tokens, wanted if index == last else None)
        return self.layernorm(tokens)  # type: ignore[no-any-return]

    def states(self, image: Tensor, kept: Tensor | None = None) -> list[Tensor]:
        """Hidden states of every depth (embedding, each layer), then the final LayerNorm's."""
        states = [self.embeddings(image, kept)]
        for layer in self.encoder.layer:
            states.append(layer(states[-1]))
        return [*states, self.layernorm(states[-1])]


class Decoder(nn.Module):
    """Reconstructs every patch from the visible tokens."""

    def __init__(self, config: BrainLMVitConfig) -> None:
        super().__init__()
        width = config.decoder_hidden_size
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_pos_embed = nn.Parameter(grid_code(width, config.grid), requires_grad=False)
        self.decoder_embed = nn.Linear(config.hidden_size, width)
        self.decoder_layers = nn.ModuleList(
            Layer(
                width,
                config.decoder_num_attention_heads,
                config.decoder_intermediate_size,
                config.layer_norm_eps,
            )
            for _ in range(config.decoder_num_hidden_layers)
        )
        self.decoder_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.decoder_pred = nn.Linear(width, config.patch_size**2 * config.num_channels)

    def forward(self, encoded: Tensor, restore: Tensor) -> Tensor:
        """(batch, 1 + kept, width) -> (batch, token, patch * patch * channel).

        `restore` (batch, token) takes the shuffled tokens back to their own places.
        """
        embedded = self.decoder_embed(encoded)
        batch, total = restore.shape
        missing = self.mask_token.expand(batch, total + 1 - embedded.shape[1], -1)
        tokens = take(torch.cat([embedded[:, 1:], missing], dim=1), restore)
        tokens = torch.cat([embedded[:, :1], tokens], dim=1) + self.decoder_pos_embed
        for layer in self.decoder_layers:
            tokens = layer(tokens)
        return self.decoder_pred(self.decoder_norm(tokens))[:, 1:]  # type: ignore[no-any-return]


class BrainLMVit(nn.Module):
    """Encoder and, for reconstruction, decoder.

    Raises
    ------
    ValueError
        From the configuration, when it describes a model this family cannot run.
    """

    def __init__(self, config: BrainLMVitConfig, *, with_decoder: bool = False) -> None:
        super().__init__()
        config.check()
        self.config = config
        self.vit = Encoder(config)
        self.decoder = Decoder(config) if with_decoder else None

    def ordered(self, series: Tensor, centroids_mm: Tensor) -> Tensor:
        """(batch, parcel, frame), normalised -> rows by ascending y, over `SERIES_SCALE`."""
        order = stable_y_order(centroids_mm)
        order = order.expand(series.shape[0], -1)
        return take(series, order) / SERIES_SCALE

    def image(self, ordered: Tensor) -> Tensor:
        """(batch, parcel, frame) from `ordered` -> (batch, side, side), padded with -1."""
        rows, columns = self.config.margins
        return functional.pad(ordered, (columns, columns, rows, rows), value=PADDING)

    def cls(self, series: Tensor, centroids_mm: Tensor) -> Tensor:
        """CLS after the final LayerNorm, (batch, width); the last layer computes no other row.

        Parameters as for `tokens`.
        """
        image = self.image(self.ordered(series, centroids_mm))
        wanted = torch.zeros(1, dtype=torch.long, device=image.device)
        return self.vit(image, wanted=wanted)[:, 0]  # type: ignore[no-any-return]

    def tokens(self, series: Tensor, centroids_mm: Tensor) -> tuple[Tensor, Tensor]:
        """Features at mask ratio 0, differentiable with respect to `series`.

        Parameters
        ----------
        series
            (batch, parcel, frame) of exactly the configured size, in the atlas's own order.
        centroids_mm
            (parcel, 3) or (batch, parcel, 3), MNI mm; gives the order of the rows.

        Returns
        -------
        cls (batch, width) and patches (batch, row, column, width) of the tokens that bear data
        (`BrainLMVitConfig.box`), both after the final LayerNorm. Row r covers the parcels of one
        band of y, column c one band of frames; the others see padding only.
        """
        image = self.image(self.ordered(series, centroids_mm))
        rows, columns = self.config.box
        grid = torch.arange(self.config.token_count, device=image.device) + 1
        box = grid.view(self.config.grid, self.config.grid)[rows, columns]
        wanted = torch.cat([torch.zeros(1, dtype=torch.long, device=image.device), box.flatten()])
        found = self.vit(image, wanted=wanted)
        return found[:, 0], found[:, 1:].unflatten(1, box.shape)

    def reconstruct(
        self, series: Tensor, centroids_mm: Tensor, order: Tensor, mask_ratio: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masked reconstruction: hide tokens, encode the rest, predict every patch.

        Parameters
        ----------
        series, centroids_mm
            As for `tokens`.
        order
            (batch, token) permutations; the first ``trunc(token * (1 - mask_ratio))`` of each
            are kept.
        mask_ratio
            Share of hidden tokens, 0..1.

        Returns
        -------
        reconstruction and mask (batch, parcel, frame), rows by ascending y and in the scale of
        `ordered`, mask 1 where hidden; and the mean squared error over hidden points (NaN at
        ratio 0).
        """
        if self.decoder is None:
            raise ValueError("This encoder was built without its decoder.")
        target = self.ordered(series, centroids_mm)
        kept = order[:, : int(order.shape[1] * (1 - mask_ratio))]
        encoded = self.vit(self.image(target), kept)
        patches = self.decoder(encoded, torch.argsort(order, dim=1))
        hidden = torch.ones(order.shape, dtype=target.dtype, device=target.device)
        hidden = hidden.scatter(1, kept, 0.0)[..., None].expand(-1, -1, patches.shape[-1])
        reconstruction, mask = self._unpatched(patches), self._unpatched(hidden)
        error = (reconstruction - target).square()
        return reconstruction, mask, (error * mask).sum() / mask.sum()

    def _unpatched(self, patches: Tensor) -> Tensor:
        """(batch, token, patch * patch * channel) -> (batch, parcel, frame), channels' mean."""
        c = self.config
        square = patches.view(-1, c.grid, c.grid, c.patch_size, c.patch_size, c.num_channels)
        image = square.mean(dim=-1).transpose(2, 3).reshape(-1, c.image_size, c.image_size)
        rows, columns = c.margins
        return image[
            :, rows : rows + c.num_brain_voxels, columns : columns + c.num_timepoints_per_voxel
        ]
