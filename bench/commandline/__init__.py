"""What the benchmarks' command lines share: options, what must be installed, and how they end."""
