"""What a comparison reads: groups of runs, baselines, imported predictions, question files and provenance."""
