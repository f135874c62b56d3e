"""What happens to the cards of boards and to the database of a collector: blows of `bench.chaos`."""
