"""The page of a board: rows, plot and script in one file."""
