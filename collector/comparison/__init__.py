"""Makes the comparison: groups runs into rows and compares the rows with each other."""
