"""What a run draws from the wall, as far as the machine counts it."""
