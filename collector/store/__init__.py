"""The database file: its schema, its runs, and access to them."""
