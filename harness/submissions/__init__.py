"""A path becomes findings, and a run directory a folder under `submissions/`."""
