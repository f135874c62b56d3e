"""From a request to a sealed bundle."""
