"""Rules over a parsed submission, by what they are about."""
