"""What a comparison reads: groups of runs, imported predictions, question files and provenance."""
