"""Calls of extensions where a client trains, and what each kind is held to: one module a kind."""
