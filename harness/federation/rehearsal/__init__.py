"""The rehearsal: the rounds of a strategy on small arrays, before anything heavy starts."""
