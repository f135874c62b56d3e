"""The database file: its schema, and runs in and out of it."""
