"""Rules on the entry: eligibility, rungs and their evidence, card and plot."""
