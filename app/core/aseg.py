"""The 45 FreeSurfer volumes of the structural branch, in the one order that every room uses.

The order is FreeSurfer 7's own (`aseg.stats`, as the released NeuFoM reads it). Names decide,
never positions: other releases write other orders and leave lines out.
"""

from __future__ import annotations

_LEFT_FIRST = (
    "Lateral-Ventricle",
    "Inf-Lat-Vent",
    "Cerebellum-White-Matter",
    "Cerebellum-Cortex",
    "Thalamus",
    "Caudate",
    "Putamen",
    "Pallidum",
)
_SIDED_LAST = ("Accumbens-area", "VentralDC", "vessel", "choroid-plexus")

ASEG_VOLUMES: tuple[str, ...] = (
    *(f"Left-{name}" for name in _LEFT_FIRST),
    "3rd-Ventricle",
    "4th-Ventricle",
    "Brain-Stem",
    "Left-Hippocampus",
    "Left-Amygdala",
    "CSF",
    *(f"Left-{name}" for name in _SIDED_LAST),
    *(f"Right-{name}" for name in _LEFT_FIRST),
    "Right-Hippocampus",
    "Right-Amygdala",
    *(f"Right-{name}" for name in _SIDED_LAST),
    "5th-Ventricle",
    "WM-hypointensities",
    "Left-WM-hypointensities",
    "Right-WM-hypointensities",
    "non-WM-hypointensities",
    "Left-non-WM-hypointensities",
    "Right-non-WM-hypointensities",
    "Optic-Chiasm",
    "CC_Posterior",
    "CC_Mid_Posterior",
    "CC_Central",
    "CC_Mid_Anterior",
    "CC_Anterior",
)

# What FreeSurfer 6 and older call them.
ASEG_ALIASES: dict[str, str] = {
    "Left-Thalamus-Proper": "Left-Thalamus",
    "Right-Thalamus-Proper": "Right-Thalamus",
}

INTRACRANIAL_NAMES: tuple[str, ...] = ("EstimatedTotalIntraCranialVol", "eTIV", "IntraCranialVol")
