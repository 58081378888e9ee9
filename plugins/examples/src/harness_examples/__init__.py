"""One small plugin for each extension point of the harness, to copy from."""
