"""What runs between the harness and a program: the sandbox's own processes.

Started as `python -I -S` with this folder's parent on the path, so nothing here imports the rest of
the harness or a package that is not in the standard library.
"""
