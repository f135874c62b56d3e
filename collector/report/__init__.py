"""The report: a comparison laid out as chapters, tables and charts, and written in several formats."""
