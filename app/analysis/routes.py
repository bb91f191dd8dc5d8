"""Which way a source is measured: as a raw run, as fMRIPrep's run, or from parcel series."""

from __future__ import annotations

from app.analysis.measure import Measured, Measurement, measure
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.scans.contents import SourceKind
from app.scans.sources import source_kind


def measure_source(request: AnalysisRequest, wanted: Measurement, progress: Progress) -> Measured:
    """Take any source that can be opened as far as its connectivity.

    Raises
    ------
    AppError
        Whatever is wrong with the source, in one sentence, or `CancelledError`.
    """
    kind = source_kind(request.scan_path)
    if kind is SourceKind.DERIVATIVES:
        from app.analysis.derivatives import measure_derivative

        return measure_derivative(request, wanted, progress)
    if kind is SourceKind.PARCELS:
        from app.analysis.parcels import measure_parcels

        return measure_parcels(request, wanted, progress)
    return measure(request, wanted, progress)
