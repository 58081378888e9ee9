"""Local training: what a client does between receiving an adapter and sending one back."""
