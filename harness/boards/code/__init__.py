"""The code board: programs that a model wrote, executed against their tests."""
