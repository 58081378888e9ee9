"""What the strategies do with numbers. Imports numpy and flwr; loaded when a run starts."""
