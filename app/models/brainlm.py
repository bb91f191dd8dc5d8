"""BrainLM, 13M family: a masked auto-encoder over parcel time series, with gradients to its input.

Written from the published architecture (van Dijk lab, BrainLM). One token is one patch of
consecutive frames of one parcel; token number = parcel * patch_count + patch. The layers are
post-LayerNorm transformer layers with exact softmax attention plus a depthwise convolution of
the values along the token axis, so the *order* of the tokens matters: it is stored as integers
and never drawn at random when features are computed. State-dict keys are the published ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.models.brainlm_config import POSITIONS, BrainLMConfig


def sinusoidal_code(width: int, positions: int = POSITIONS) -> Tensor:
    """Interleaved sine/cosine code of the patch number, shape (positions, width).

    Always on the CPU: the same table everywhere, also where a module is built without memory.
    """
    position = torch.arange(positions, dtype=torch.float32, device="cpu").unsqueeze(1)
    even = torch.arange(0, width, 2, dtype=torch.float32, device="cpu")
    rate = torch.exp(even * (-math.log(10000.0) / width))
    code = torch.zeros(positions, width, device="cpu")
    code[:, 0::2] = torch.sin(position * rate)
    code[:, 1::2] = torch.cos(position * rate)
    return code


class PatchCode(nn.Module):
    """Holds the sinusoidal table under its published key ``pe``."""

    pe: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("pe", sinusoidal_code(width))


class SelfAttention(nn.Module):
    """Exact softmax attention plus a 65-tap depthwise convolution of the values."""

    def __init__(self, width: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.conv = nn.Conv2d(
            heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) -> (batch, token, width), before the output projection."""
        batch, count, width = tokens.shape

        def split(projected: Tensor) -> Tensor:
            return projected.view(batch, count, self.heads, width // self.heads).transpose(1, 2)

        value = split(self.value(tokens))
        context: Tensor = functional.scaled_dot_product_attention(
            split(self.query(tokens)), split(self.key(tokens)), value
        )
        context = context + self.conv(value)
        return context.transpose(1, 2).reshape(batch, count, width)

    def first_row(self, tokens: Tensor) -> Tensor:
        """Row 0 (CLS) of `forward` alone, (batch, 1, width): one query, one convolution point."""
        value = self.value(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key = self.key(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        query = self.query(tokens[:, :1]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        context: Tensor = functional.scaled_dot_product_attention(query, key, value)
        # Row 0 lies under the kernel's middle; the taps before it see the zero padding.
        taps = self.conv.weight[:, 0, self.conv.kernel_size[0] // 2 :, 0][:, : tokens.shape[1]]
        near = value[:, :, : taps.shape[1]].to(taps.dtype)
        context = context + (near * taps[..., None]).sum(dim=2, keepdim=True)
        return context.transpose(1, 2).flatten(2)


class ProjectionWithNorm(nn.Module):
    """Linear projection, residual, LayerNorm (the published ``output`` block)."""

    def __init__(self, inner: int, width: int, epsilon: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, width)
        self.LayerNorm = nn.LayerNorm(width, eps=epsilon)

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """LayerNorm(dense(inner) + residual)."""
        return self.LayerNorm(self.dense(inner) + residual)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Attention with its output block, under the published names ``self`` and ``output``."""

    def __init__(self, width: int, heads: int, kernel: int, epsilon: float) -> None:
        super().__init__()
        self.add_module("self", SelfAttention(width, heads, kernel))
        self.output = ProjectionWithNorm(width, width, epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) -> same shape."""
        return self.output(self.get_submodule("self")(tokens), tokens)  # type: ignore[no-any-return]

    def first_row(self, tokens: Tensor) -> Tensor:
        """Row 0 of `forward` alone, (batch, 1, width)."""
        attention = self.get_submodule("self")
        assert isinstance(attention, SelfAttention)
        return self.output(attention.first_row(tokens), tokens[:, :1])  # type: ignore[no-any-return]


class Intermediate(nn.Module):
    """First half of the feed-forward block: Linear, exact GELU."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, inner)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, width) -> (…, inner)."""
        return functional.gelu(self.dense(tokens))


class Layer(nn.Module):
    """One post-LayerNorm transformer layer."""

    def __init__(self, width: int, heads: int, inner: int, kernel: int, epsilon: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, kernel, epsilon)
        self.intermediate = Intermediate(width, inner)
        self.output = ProjectionWithNorm(inner, width, epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, token, width) -> same shape."""
        return self._fed(self.attention(tokens))

    def first_row(self, tokens: Tensor) -> Tensor:
        """Row 0 of `forward` alone, (batch, 1, width)."""
        return self._fed(self.attention.first_row(tokens))

    def _fed(self, attended: Tensor) -> Tensor:
        return self.output(self.intermediate(attended), attended)  # type: ignore[no-any-return]


class Embeddings(nn.Module):
    """From series and coordinates to tokens in parcel-major order."""

    def __init__(self, config: BrainLMConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.patch_frames = config.timepoint_patching_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.signal_embedding_projection = nn.Linear(self.patch_frames, width)
        self.xyz_embedding_projection = nn.Linear(3, width)
        self.pos_embedding = PatchCode(width)

    def forward(self, series: Tensor, centroids_mm: Tensor) -> Tensor:
        """(batch, parcel, frame), (batch, parcel, 3) -> (batch, parcel * patch, width)."""
        batch, parcels, frames = series.shape
        patches = series.reshape(batch, parcels, frames // self.patch_frames, self.patch_frames)
        tokens: Tensor = self.signal_embedding_projection(patches)
        tokens = tokens + self.xyz_embedding_projection(centroids_mm).unsqueeze(2)
        tokens = tokens + self.pos_embedding.pe[: patches.shape[2]]
        return tokens.reshape(batch, parcels * patches.shape[2], -1)


class LayerStack(nn.Module):
    """The encoder's layers under the published key ``layer``."""

    def __init__(self, config: BrainLMConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            Layer(
                config.hidden_size,
                config.num_attention_heads,
                config.intermediate_size,
                config.conv_kernel_size,
                config.layer_norm_eps,
            )
            for _ in range(config.num_hidden_layers)
        )


class Encoder(nn.Module):
    """Embedding, layers, final LayerNorm (the published ``vit``)."""

    def __init__(self, config: BrainLMConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = LayerStack(config)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, series: Tensor, centroids_mm: Tensor, kept: Tensor) -> list[Tensor]:
        """Hidden states of every depth, then the final one.

        Parameters
        ----------
        series
            (batch, parcel, frame), in the bundle's normalisation.
        centroids_mm
            (batch, parcel, 3), template mm, unscaled.
        kept
            (batch, kept) token numbers in the order in which the layers see them.

        Returns
        -------
        list of tensors (batch, 1 + kept, width): embedding, after each layer, and last the
        output of the final LayerNorm. Row 0 is CLS; the others are in the order of `kept`.
        """
        states = [self._embedded(series, centroids_mm, kept)]
        for layer in self.encoder.layer:
            states.append(layer(states[-1]))
        states.append(self.layernorm(states[-1]))
        return states

    def last(self, series: Tensor, centroids_mm: Tensor, kept: Tensor) -> Tensor:
        """The last of `forward`'s states, (batch, 1 + kept, width), without keeping the others."""
        tokens = self._embedded(series, centroids_mm, kept)
        for layer in self.encoder.layer:
            tokens = layer(tokens)
        return self.layernorm(tokens)  # type: ignore[no-any-return]

    def cls(self, series: Tensor, centroids_mm: Tensor, kept: Tensor) -> Tensor:
        """Row 0 of `last`, (batch, width); the last layer asks with CLS alone, which is exact."""
        tokens = self._embedded(series, centroids_mm, kept)
        for layer in self.encoder.layer[:-1]:
            tokens = layer(tokens)
        final = self.encoder.layer[-1]
        assert isinstance(final, Layer)
        return self.layernorm(final.first_row(tokens))[:, 0]  # type: ignore[no-any-return]

    def _embedded(self, series: Tensor, centroids_mm: Tensor, kept: Tensor) -> Tensor:
        tokens = self.embeddings(series, centroids_mm)
        index = kept.unsqueeze(-1).expand(-1, -1, tokens.shape[-1])
        tokens = tokens.gather(1, index)
        cls = self.embeddings.cls_token.expand(tokens.shape[0], -1, -1)
        return torch.cat([cls, tokens], dim=1)


class Decoder(nn.Module):
    """Reconstructs every patch from the visible tokens (pre-training only)."""

    def __init__(self, config: BrainLMConfig) -> None:
        super().__init__()
        width = config.decoder_hidden_size
        self.patch_frames = config.timepoint_patching_size
        self.use_tanh = config.use_tanh_decoder
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_embed = nn.Linear(config.hidden_size, width)
        self.decoder_xyz_projection = nn.Linear(3, width)
        self.pos_embedding = PatchCode(width)
        self.decoder_layers = nn.ModuleList(
            Layer(
                width,
                config.decoder_num_attention_heads,
                config.decoder_intermediate_size,
                config.conv_kernel_size,
                config.layer_norm_eps,
            )
            for _ in range(config.decoder_num_hidden_layers)
        )
        self.decoder_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.decoder_pred1 = nn.Linear(width, width // 2)
        self.decoder_pred2 = nn.Linear(width // 2, self.patch_frames)

    def forward(self, encoded: Tensor, centroids_mm: Tensor, restore: Tensor) -> Tensor:
        """(batch, 1 + kept, width) -> (batch, parcel, patch, patch_frames).

        `restore` (batch, token) takes the shuffled tokens back to their own places.
        """
        embedded = self.decoder_embed(encoded)
        batch, _, width = embedded.shape
        total, parcels = restore.shape[1], centroids_mm.shape[1]
        missing = self.mask_token.expand(batch, total + 1 - embedded.shape[1], -1)
        tokens = torch.cat([embedded[:, 1:], missing], dim=1)
        tokens = tokens.gather(1, restore.unsqueeze(-1).expand(-1, -1, width))
        tokens = tokens.view(batch, parcels, total // parcels, width)
        tokens = tokens + self.decoder_xyz_projection(centroids_mm).unsqueeze(2)
        tokens = tokens + self.pos_embedding.pe[: total // parcels]
        tokens = torch.cat([embedded[:, :1], tokens.view(batch, total, width)], dim=1)
        for layer in self.decoder_layers:
            tokens = layer(tokens)
        hidden = functional.leaky_relu(self.decoder_pred1(self.decoder_norm(tokens)), 0.1)
        patches: Tensor = self.decoder_pred2(hidden)[:, 1:]
        if self.use_tanh:
            patches = torch.tanh(patches)
        return patches.reshape(batch, parcels, total // parcels, self.patch_frames)


class BrainLM(nn.Module):
    """Encoder and, for pre-training, decoder.

    Raises
    ------
    ValueError
        From the configuration, when it describes a model this family cannot run.
    """

    def __init__(self, config: BrainLMConfig, *, with_decoder: bool = False) -> None:
        super().__init__()
        config.check()
        if with_decoder and config.decoder_hidden_size != config.hidden_size:
            # The decoder's coordinate projection has the encoder's width and is added to its own.
            raise ValueError(
                f"decoder_hidden_size is {config.decoder_hidden_size}; this family needs "
                f"hidden_size ({config.hidden_size})."
            )
        self.config = config
        self.vit = Encoder(config)
        self.decoder = Decoder(config) if with_decoder else None

    def tokens(self, series: Tensor, centroids_mm: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Features at mask ratio 0, differentiable with respect to `series`.

        Parameters
        ----------
        series
            (batch, parcel, frame); frames a multiple of the patch.
        centroids_mm
            (parcel, 3) or (batch, parcel, 3).
        order
            (token,) permutation of the token numbers, as stored in the bundle.

        Returns
        -------
        cls (batch, width) and patches (batch, parcel, patch, width), back in their own places,
        both after the final LayerNorm.
        """
        batch, parcels, _ = series.shape
        if centroids_mm.dim() == 2:
            centroids_mm = centroids_mm.expand(batch, -1, -1)
        last = self.vit.last(series, centroids_mm, order.expand(batch, -1))
        patches = last[:, 1:].index_select(1, torch.argsort(order))
        return last[:, 0], patches.reshape(batch, parcels, -1, last.shape[-1])

    def cls(self, series: Tensor, centroids_mm: Tensor, order: Tensor) -> Tensor:
        """CLS alone, (batch, width), as `tokens` gives it but without the work for the patches."""
        batch = series.shape[0]
        if centroids_mm.dim() == 2:
            centroids_mm = centroids_mm.expand(batch, -1, -1)
        return self.vit.cls(series, centroids_mm, order.expand(batch, -1))

    def reconstruct(
        self, series: Tensor, centroids_mm: Tensor, order: Tensor, mask_ratio: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masked reconstruction: hide tokens, encode the rest, predict every patch.

        Parameters
        ----------
        series, centroids_mm
            (batch, parcel, frame), (batch, parcel, 3).
        order
            (batch, token) permutations; the first ``trunc(token * (1 - mask_ratio))`` of each
            are kept, in that order.
        mask_ratio
            Share of hidden tokens, 0..1.

        Returns
        -------
        reconstruction (batch, parcel, patch, patch_frames), mask (batch, parcel, patch) with 1
        where hidden, and the mean error over hidden tokens (NaN at ratio 0): squared, or
        absolute where the configuration's `loss_fn` is "mae".
        """
        if self.decoder is None:
            raise ValueError("This encoder was built without its decoder.")
        batch, parcels, _ = series.shape
        total = order.shape[1]
        kept_count = int(total * (1 - mask_ratio))
        kept = order[:, :kept_count]
        encoded = self.vit.last(series, centroids_mm, kept)
        restore = torch.argsort(order, dim=1)
        reconstruction = self.decoder(encoded, centroids_mm, restore)
        mask = torch.ones(batch, total, device=series.device)
        mask = mask.scatter(1, kept, 0.0).view(batch, parcels, -1)
        target = series.reshape(reconstruction.shape)
        error = reconstruction - target
        error = (error.abs() if self.config.loss_fn == "mae" else error.square()).mean(dim=-1)
        return reconstruction, mask, (error * mask).sum() / mask.sum()
