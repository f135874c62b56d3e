"""The mean scores and times of each question of a row: cut into pieces, remembered, and held in memory."""
