"""From a path to findings, and from a run directory to a folder under `submissions/`."""
