"""A pull request is judged from git's objects alone: nothing of it is checked out or executed."""
