"""The mean scores and times of each question of a row, summed up in pieces."""
