"""The medical board: questions of four medical examinations and reviews."""
