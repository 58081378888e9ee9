"""Runs side by side: which there are, and what tells two of them apart."""
