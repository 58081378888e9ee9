"""Relations that a paper states, checked on small runs: what holds, what does not, what is open."""
