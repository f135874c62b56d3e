"""SQLite files: how a program opens them for reading only, and what kind of error SQLite reports."""
