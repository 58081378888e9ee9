"""What shows that a round's aggregate is made of its clients' replies."""
