"""The files of a submission or a run directory: which there may be, and what each holds."""
