"""What lm-eval sees: tasks, rows and a model that reads finished rows from disk."""
