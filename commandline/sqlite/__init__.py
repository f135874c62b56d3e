"""SQLite files that a program only reads."""
