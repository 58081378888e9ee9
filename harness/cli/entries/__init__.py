"""Sub-commands about results that are filed: check, submit, import, publish, show."""
