"""Ways to read an output that several boards share: labels, choices, programs."""
