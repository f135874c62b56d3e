"""The commands of `export-models` beside `build`: options in, one call, lines out."""
