"""The recipes as data, applied and searched."""
