"""What Linux offers to hold a process back: Landlock, namespaces, and the calls that they take.

Modules here import the standard library only: the first process of a sandbox, and the one that
starts plugin code, use them in a Python that has no site folder (`harness.kernel.bare`).
"""
