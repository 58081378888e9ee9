"""Boards: what each challenge of the leaderboard fixes, and how its outputs are read."""
