"""The commands of `export-models`: options in, one call, lines out."""
