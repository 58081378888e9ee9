"""Settings as people write them: names, overrides, templates over the columns of a row."""
