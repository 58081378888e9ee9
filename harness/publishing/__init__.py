"""A run goes to the hub: adapter, card, record, and its scores in the forms that others read."""
