"""What a README states of a run: scores, settings, figures of communication, costs."""
