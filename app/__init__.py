"""NeuroResponder: from a resting-state fMRI to an explained, honest prediction."""

__version__ = "0.1.0"
