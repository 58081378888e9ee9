"""What existing FlowerTune projects say of themselves, and what of it holds."""
