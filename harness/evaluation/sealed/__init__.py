"""The evaluating process: one that loads no plugin, started, ordered and heard through pipes."""
