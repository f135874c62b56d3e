"""How a report is written: one module for each format."""
