"""The proof on ARM without a board: `make arm64`. Not collected by pytest: it needs root and an hour."""
