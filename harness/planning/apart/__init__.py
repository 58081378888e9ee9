"""A request is resolved in a child: `asking` is here, `python -m harness.planning.apart` there."""
