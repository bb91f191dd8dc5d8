"""Where results are kept: case folders, the study index, the audit chain."""
