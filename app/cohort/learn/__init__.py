"""Learn from labelled people and judge what was learnt: plan, labels, splits, evaluation."""
