"""What a comparison reads: systems, groups of runs, question files and provenance."""
