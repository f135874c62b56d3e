"""The store as a file of SQLite."""
