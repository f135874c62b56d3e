"""The comparison in words and pictures: one module a format, all from the same columns."""
