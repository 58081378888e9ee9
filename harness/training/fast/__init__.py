"""The fast forms of a training step; each gives the values of the plain form beside it."""
