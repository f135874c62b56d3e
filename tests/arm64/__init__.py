"""The proof on ARM without a board: `make arm64`. Not collected by pytest: it takes half an hour, as root."""
