"""The chapters of a report, one module per chapter."""
