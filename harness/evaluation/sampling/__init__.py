"""Programs: drawn as the board's script draws them, and executed with their tests."""
