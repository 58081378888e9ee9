"""The client of a federation: one process that trains one partition after another."""
