"""What a federation keeps on disk, and how it goes on from there."""
