"""Statistics of times, whose unit is the round: ratios, levels, spreads, and whether a machine was steady."""
