"""The paper's questions, one command each: compare, ablate, transfer, leak; one public data set."""
