"""What the collector orders, from its message to the measured runs: checked, fetched, carried out once."""
