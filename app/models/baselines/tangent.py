"""Linear classifiers on tangent-space connectivity, its reference fitted on training people only.

A correlation matrix of fewer frames than parcels is singular, so each is shrunk towards the
identity by a fixed share first. The reference is the geometric mean of the training people's
shrunk matrices (Varoquaux et al. 2010, MICCAI; Dadi et al. 2019, NeuroImage 192); a person's
features are ``log(G^-1/2 C G^-1/2)``. The reference sees no labels; the inner folds that choose the
strength share the one of all people given to `fit`, people outside `fit` have no part in anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor
from torch.autograd.function import FunctionCtx

from app.core.arrays import Floats
from app.core.progress import Progress
from app.models.baselines.connections import mean_correlation, missing_parcels
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import People
from app.models.baselines.rival import parcels_of
from app.models.baselines.storage import Stored, to_tensor
from app.models.connectivity_kinds import geometric_mean, inverse_root, shrunk

SHRINKAGE = 0.1  # share of the identity
# The reference is where the logarithm is taken, not an estimate: nearer changes features by less
# than 0.3 % (measured on 30 simulated people, 426 parcels), at twice the time.
REFERENCE_TOLERANCE = 1e-4
SMALLEST_EIGENVALUE = 0.05  # an imputed matrix is shrunk further until it has this


@dataclass(frozen=True, slots=True)
class TangentSettings:
    """The classifier, the shrinkage, and the number of parcels once fitted."""

    classifier: str
    shrinkage: float = SHRINKAGE
    parcels: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class SymmetricLogarithm(torch.autograd.Function):
    """Matrix logarithm of a symmetric positive definite matrix.

    The derivative (Daleckii and Krein; Higham, Functions of Matrices, theorem 3.11) divides
    differences of logarithms by differences of eigenvalues and takes the derivative itself where
    those are equal; going through `eigh` would divide by zero there.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, matrix: Tensor) -> Tensor:
        """(parcel, parcel) -> (parcel, parcel)."""
        values, vectors = torch.linalg.eigh(matrix)
        ctx.save_for_backward(values, vectors)
        logarithm: Tensor = (vectors * values.log()) @ vectors.T
        return logarithm

    @staticmethod
    def backward(ctx: Any, *outputs: Any) -> Any:
        """Gradient with respect to the matrix, symmetric."""
        values, vectors = ctx.saved_tensors
        symmetric = 0.5 * (outputs[0] + outputs[0].T)
        ratio = values[:, None] / values[None, :] - 1.0
        # log(a) - log(b) over a - b = log1p(r) / (r b) with r = a/b - 1, and 1 / b at r = 0
        near = ratio.abs() < 1e-6
        divided = torch.where(near, 1.0 - 0.5 * ratio, ratio.log1p() / ratio.where(~near, 1.0))
        divided = divided / values[None, :]
        inner = vectors.T @ symmetric @ vectors
        return vectors @ (divided * inner) @ vectors.T


class TangentLinear(LinearRival):
    """Logarithm of the whitened matrix, upper triangle with diagonal, weighted as nilearn does."""

    kind = "tangent"
    standardise = False

    def __init__(self, classifier: str = "logistic") -> None:
        super().__init__(classifier)
        self.settings = TangentSettings(classifier)
        self.mean_matrix: Tensor | None = None  # (parcel, parcel), of training people
        self.whitening: Tensor | None = None  # (parcel, parcel)

    def _learn_features(self, people: People, progress: Progress) -> Floats:
        parcels = parcels_of(people)
        self.settings = TangentSettings(self.classifier.name, self.settings.shrinkage, parcels)
        self.mean_matrix = to_tensor(mean_correlation(people.connectivity))
        progress.step(0.0, "reference of the tangent space")
        matrices = [self._positive(to_tensor(one)).numpy() for one in people.connectivity]
        self.whitening = to_tensor(inverse_root(geometric_mean(matrices, REFERENCE_TOLERANCE)))
        rows = []
        for number, matrix in enumerate(people.connectivity):
            progress.step(number / len(people), "tangent space")
            rows.append(self._tangent(to_tensor(matrix)).numpy())
        return np.stack(rows)

    def _positive(self, matrix: Tensor) -> Tensor:
        """Unknown entries from the training mean, diagonal 1, shrunk until positive definite."""
        assert self.mean_matrix is not None
        filled = torch.where(torch.isfinite(matrix), matrix, self.mean_matrix.to(matrix))
        with torch.no_grad():
            least = float(torch.linalg.eigvalsh(shrunk(filled, 0.0))[0])
        # A person's own correlation matrix has no negative eigenvalue; an imputed one may have.
        share: float = self.settings.shrinkage
        if least < SMALLEST_EIGENVALUE:  # the identity, from a series of zeros, has 1
            share = max(share, (SMALLEST_EIGENVALUE - least) / (1.0 - least))
        return shrunk(filled, share)

    def _tangent(self, matrix: Tensor) -> Tensor:
        assert self.whitening is not None
        whitening = self.whitening.to(matrix)
        whitened = whitening @ self._positive(matrix) @ whitening
        found: Tensor = SymmetricLogarithm.apply(0.5 * (whitened + whitened.T))  # type: ignore[no-untyped-call]
        rows, columns = torch.triu_indices(len(found), len(found), device=found.device)
        scale = torch.where(rows == columns, 0.5**0.5, 1.0).to(found)
        return found[rows, columns] * scale

    def _features(self, person: People) -> Floats:
        parcels_of(person, self.settings.parcels)
        return np.asarray(self._tangent(to_tensor(person.connectivity[0])).numpy())

    def _told_features(self, people: People) -> dict[str, float]:
        return {"imputed_parcels": float(missing_parcels(people.connectivity))}

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        """One person's log-odds, scalar; differentiable in the matrix, the series plays no part.

        The extra shrinkage that an imputed matrix may need counts as a constant.
        """
        self._refuse_unfitted()
        return self._linear_log_odds(self._tangent(connectivity))

    def _feature_count(self, stored: Stored) -> int:
        parcels: int = self.settings.parcels
        return parcels * (parcels + 1) // 2

    def _tensors(self) -> Mapping[str, Tensor]:
        assert self.mean_matrix is not None
        assert self.whitening is not None
        reference = {"mean_matrix": self.mean_matrix, "whitening": self.whitening}
        return {**super()._tensors(), **reference}

    def _more_expected(self, stored: Stored) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        shape = (self.settings.parcels, self.settings.parcels)
        return {"mean_matrix": (shape, torch.float64), "whitening": (shape, torch.float64)}

    def _restore_features(self, arrays: Mapping[str, Tensor]) -> None:
        self.mean_matrix, self.whitening = arrays["mean_matrix"], arrays["whitening"]

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        found = stored.settings_as(TangentSettings)
        model = cls(found.classifier)
        model.settings = found
        return model
