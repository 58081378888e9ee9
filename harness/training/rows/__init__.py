"""The rows that a client trains on: split over partitions, chosen, tokenised, ordered by round."""
