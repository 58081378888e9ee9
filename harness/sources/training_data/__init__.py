"""The training data: found, compared with what is pinned, and split over the supernodes."""
