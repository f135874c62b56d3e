"""Programs that benchmarks start as processes, and what processes hold over time."""
