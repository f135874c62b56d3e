"""Statistics of accuracy: mean scores over articles, and which rows they tell apart."""
