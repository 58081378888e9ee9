"""What several processes of one command share: signals, errors that cross, and a common end."""
