"""Newer aggregations of LoRA's factors for flowertune-harness."""
