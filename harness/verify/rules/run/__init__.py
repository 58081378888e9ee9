"""Rules on the run: data, machine, rounds, messages, adapter."""
