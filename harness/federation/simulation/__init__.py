"""A federation on this machine: Ray, its processes, and how all of them end."""
