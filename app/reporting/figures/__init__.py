"""Drawing, apart from assembling: arrays in, a matplotlib `Figure` out, never pyplot."""
