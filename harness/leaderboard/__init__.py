"""`harness leaderboard`: tables and pages generated from the submissions, never written by hand."""
