"""The types of everything that a report shows; encoded as JSON, they are the format `json`."""
