"""Second opinions, written from papers and configs and sharing no code with what they check."""
