"""A plugin-based benchmarking harness for FlowerTune LLM leaderboard submissions."""

__version__ = "0.1.0"
