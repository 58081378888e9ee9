"""The federation: Flower runs it, the harness audits it."""
