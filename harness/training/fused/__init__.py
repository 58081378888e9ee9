"""A training step of a Llama on a GPU, written out: few launches, and those recorded as graphs."""
