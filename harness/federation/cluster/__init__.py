"""A federation over the nodes of a Ray cluster that others have started."""
