"""Sub-commands that start nothing: what is installed, fixed and planned."""
