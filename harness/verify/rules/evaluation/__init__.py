"""Rules on the evaluation: answers, scores, leaks."""
