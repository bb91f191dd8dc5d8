"""Every number and seed that the demonstration bundle `simulated-demo` is made with."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.cohort.evaluation import Protocol
from app.cohort.pretraining import PretrainingSettings
from app.models.brainlm_config import BrainLMConfig

MODEL_ID = "simulated-demo"
FRAMES = 240
REPETITION_TIME_S = 2.0

ENCODER = BrainLMConfig(
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    decoder_hidden_size=64,
    decoder_num_hidden_layers=1,
    decoder_num_attention_heads=4,
    decoder_intermediate_size=128,
    num_brain_voxels=426,
    num_timepoints_per_voxel=200,
    timepoint_patching_size=20,
)


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Seeds, sizes and pre-registered choices; all of it goes into the card."""

    agnostic_seed: int = 501
    agnostic_count: int = 300
    agnostic_validation_count: int = 20
    # Series are divided by a constant that brings both kinds to a typical SD of about 0.84:
    agnostic_scale_percent: float = 1.0  # pre-training series (their SD is 0.84 percent)
    series_scale_percent: float = 0.73  # the recipe's series (their SD is about 0.61 percent)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)
    cohort_seed: int = 11
    fold_seed: int = 3
    inner_folds: int = 5
    outer_folds: int = 5
    bootstrap_heads: int = 200
    bootstrap_seed: int = 5
    null_repeats: int = 200
    null_seed: int = 11
    null_cohort_seed: int = 12  # of the separately simulated cohort without a signature
    permuted_models: int = 1000  # trained on shuffled labels, beside the model's attribution
    random_encoder_seed: int = 1007
    cutoff: float = 0.5
    novelty_limit: float = 99.0
    conformal_level: float = 0.9
    reference_count: int = 4

    @property
    def protocol(self) -> Protocol:
        """How every contender is judged."""
        return Protocol(self.outer_folds, self.inner_folds, self.fold_seed, self.cutoff)


DEMO = DemoSettings()
