"""`harness import`: an existing FlowerTune project becomes a claimed record.

Files are read, never executed; links are not followed; sizes are bounded.
"""
