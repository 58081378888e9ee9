"""Repetition: run what a record says again, and say what is equal."""

from harness.reproduce.comparison import Comparison, Reproduction
from harness.reproduce.evaluation import reevaluate
from harness.reproduce.original import Original, read_original
from harness.reproduce.recorded_versions import repeating_command
from harness.reproduce.repeat import reproduce

__all__ = [
    "Comparison",
    "Original",
    "Reproduction",
    "read_original",
    "reevaluate",
    "repeating_command",
    "reproduce",
]
