"""The planted response signature: where it lies, how strong it is, and an oracle that reads it.

Two label-carrying traits are planted, one per branch of a model:

* *connectivity*: the correlation between the Ventral Attention and the Somatomotor network;
* *dynamics*: the balance of slow (0.01-0.05 Hz) against fast (0.08-0.2 Hz) power in the
  Frontoparietal network and the thalamus, at constant variance.

Beside them lie two suppressors, traits that carry no label but move the same observables: one
moves Ventral Attention's coupling with Somatomotor and, equally, with Visual; the other tilts
the spectrum of the dynamics set and, equally, of Dorsal Attention. Whoever subtracts the
control observable reads the label better.

Why this default strength (fixed before any model was trained): each trait separates the
classes by d = 1.40 standard deviations, so both together, read without error, give an AUROC of
``Phi(sqrt(2 * 1.40^2) / sqrt(2)) = 0.919``. Read by an oracle from 240 noise-free frames this
falls below 0.92 by the sampling error of a correlation and of a spectrum, and a linear model
that has to learn the directions from about 150 noisy scans has room to reach 0.65-0.8. A real
effect of this size would be remarkable; it is chosen so that a working program can be told
from a broken one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.resources import resource_path

ATLAS_TABLE = ("atlases", "hcpex_networks.tsv")
CONNECTIVITY_NETWORKS = ("Ventral Attention", "Somatomotor")
CONNECTIVITY_CONTROL = ("Ventral Attention", "Visual")
DYNAMICS_NETWORKS = ("Frontoparietal", "Thalamus")
DYNAMICS_CONTROL = ("Dorsal Attention",)
CLASS_SEPARATION = 1.40  # d of each trait at strength 1, in standard deviations
BASE_RATE = 0.45
COUPLING_OFFSET = 0.20  # Fisher z of the planted and the control coupling at trait 0
COUPLING_PER_TRAIT = 0.20  # Fisher z a standard deviation of the trait
TILT_PER_TRAIT = 0.45  # log(slow/fast) power a standard deviation of the trait
SUPPRESSOR_SD = 0.8  # standard deviation of both suppressors at strength 1
SLOW_BAND_HZ = (0.01, 0.05)
FAST_BAND_HZ = (0.08, 0.20)
MODULES = 4  # sub-networks of each network, from back to front


@dataclass(frozen=True, slots=True)
class ParcelTable:
    """The atlas as the simulator knows it: names, networks, places and mirror pairs."""

    names: tuple[str, ...]
    hemispheres: tuple[str, ...]
    networks: tuple[str, ...]
    centroids_mm: Floats  # (parcel, 3), template RAS+ mm
    network_names: tuple[str, ...]  # in table order of first appearance
    network_of: Ints  # (parcel,), index into `network_names`
    module_of: Ints  # (parcel,), 0..MODULES-1, the same for both of a mirror pair
    mirror_of: Ints  # (parcel,), index of the parcel on the other side


@dataclass(frozen=True, slots=True)
class PlantedSignature:
    """The answer key that a test of attribution needs."""

    connectivity_parcels: Bools  # (parcel,)
    connectivity_edges: Bools  # (parcel, parcel), symmetric
    dynamics_parcels: Bools  # (parcel,)
    suppressor_parcels: Bools  # (parcel,), move with a suppressor only
    suppressor_edges: Bools  # (parcel, parcel), symmetric


@lru_cache(maxsize=1)
def parcel_table() -> ParcelTable:
    """Read the bundled table of the 426 HCPEx parcels."""
    lines = resource_path(*ATLAS_TABLE).read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines if line]
    networks = tuple(row[3] for row in rows)
    order = tuple(dict.fromkeys(networks))
    centroids = np.array([[float(value) for value in row[4:7]] for row in rows])
    names = tuple(row[1] for row in rows)
    # the two spellings "Posterior_…" and "posterior_OFC_Complex" are one pair
    place = {name.lower(): index for index, name in enumerate(names)}
    other_side = {"l": "r", "r": "l"}
    mirror = np.array([place[n.lower()[:-1] + other_side[n.lower()[-1]]] for n in names])
    network_of = np.array([order.index(name) for name in networks])
    y_mm = 0.5 * (centroids[:, 1] + centroids[mirror, 1])
    module_of = np.zeros(len(rows), int)
    for network in range(len(order)):
        members = np.flatnonzero(network_of == network)
        ranks = np.argsort(np.argsort(y_mm[members], kind="stable"), kind="stable")
        module_of[members] = ranks * MODULES // len(members)
    module_of = np.minimum(module_of, module_of[mirror])
    return ParcelTable(
        names,
        tuple(row[2] for row in rows),
        networks,
        frozen(centroids),
        order,
        frozen(network_of),
        frozen(module_of),
        frozen(mirror),
    )


def in_networks(*names: str) -> Bools:
    """Which parcels belong to the named networks, shape (parcel,)."""
    table = parcel_table()
    return np.array([network in names for network in table.networks])


def _edges_between(first: str, second: str) -> Bools:
    a, b = in_networks(first), in_networks(second)
    return np.asarray(np.outer(a, b) | np.outer(b, a))


def planted_signature(*, connectivity: bool = True, dynamics: bool = True) -> PlantedSignature:
    """Parcels and connections that carry the label, and those that only a suppressor moves.

    Parameters
    ----------
    connectivity, dynamics
        Whether that part is planted at all; the parts left out are all False.
    """
    nothing = np.zeros(len(parcel_table().names), bool)
    edges = np.zeros((nothing.size, nothing.size), bool)
    control = nothing.copy()
    control_edges = edges.copy()
    if connectivity:
        control |= in_networks(CONNECTIVITY_CONTROL[1])
        control_edges = _edges_between(*CONNECTIVITY_CONTROL)
    if dynamics:
        control |= in_networks(*DYNAMICS_CONTROL)
    return PlantedSignature(
        frozen(in_networks(*CONNECTIVITY_NETWORKS) if connectivity else nothing),
        frozen(_edges_between(*CONNECTIVITY_NETWORKS) if connectivity else edges),
        frozen(in_networks(*DYNAMICS_NETWORKS) if dynamics else nothing),
        frozen(control),
        frozen(control_edges),
    )


def _module_series(series: Floats, network: str) -> Floats:
    """Standardised mean series of each module of a network, shape (frame, module)."""
    table = parcel_table()
    z = (series - series.mean(0)) / series.std(0)
    wanted = in_networks(network)
    columns = [z[:, wanted & (table.module_of == m)].mean(1) for m in range(MODULES)]
    means = np.stack(columns, axis=1)
    return np.asarray((means - means.mean(0)) / means.std(0))


def coupling(series: Floats, first: str, second: str) -> float:
    """Mean Fisher-z correlation between like modules of two networks."""
    a, b = _module_series(series, first), _module_series(series, second)
    return float(np.arctanh((a * b).mean(0)).mean())


def slow_fast_log_ratio(series: Floats, parcels: Bools, repetition_time_s: float) -> float:
    """Mean over parcels of log(slow band power / fast band power)."""
    part = series[:, parcels] - series[:, parcels].mean(0)
    power = np.abs(np.fft.rfft(part * np.hanning(len(part))[:, None], axis=0)) ** 2
    hertz = np.fft.rfftfreq(len(part), repetition_time_s)
    slow = (hertz >= SLOW_BAND_HZ[0]) & (hertz <= SLOW_BAND_HZ[1])
    fast = (hertz >= FAST_BAND_HZ[0]) & (hertz <= FAST_BAND_HZ[1])
    return float(np.log(power[slow].mean(0) / power[fast].mean(0)).mean())


def oracle_traits(series: Floats, repetition_time_s: float) -> tuple[float, float]:
    """Read both traits off a noise-free series, suppressors subtracted.

    Returns
    -------
    connectivity, dynamics
        Observable minus its control, divided by what one unit of the trait moves it by; an
        unknown constant offset remains (it does not matter for a ranking).
    """
    planted = coupling(series, *CONNECTIVITY_NETWORKS) - coupling(series, *CONNECTIVITY_CONTROL)
    ratio = slow_fast_log_ratio(series, in_networks(*DYNAMICS_NETWORKS), repetition_time_s)
    control = slow_fast_log_ratio(series, in_networks(*DYNAMICS_CONTROL), repetition_time_s)
    return planted / COUPLING_PER_TRAIT, (ratio - control) / TILT_PER_TRAIT


def oracle_score(series: Floats, repetition_time_s: float) -> float:
    """What an oracle that knows the planted directions would rank people by.

    Parameters
    ----------
    series
        Noise-free parcel series, shape (frame, parcel).
    repetition_time_s
        Seconds between frames.

    Returns
    -------
    float
        ``d * (connectivity + dynamics)``: the log-odds up to a constant for equal class
        covariance.
    """
    return CLASS_SEPARATION * sum(oracle_traits(series, repetition_time_s))


def auroc(scores: Floats, labels: Bools) -> float:
    """Area under the ROC curve by ranks, ties counted half (Mann-Whitney)."""
    positive, negative = np.asarray(scores)[labels], np.asarray(scores)[~labels]
    difference = positive[:, None] - negative[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())
