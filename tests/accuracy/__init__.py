"""Accuracy on known truth: quick versions as tests, large ones by ``python -m tests.accuracy.run``."""
