"""The stages of a run in order, and what they leave: record, card, plot."""
