"""The frontier of one run: what its rounds are worth against what they cost."""
