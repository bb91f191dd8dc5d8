"""Accuracy on known truth: quick versions are tests, large ones run by ``tests.accuracy.run``."""
