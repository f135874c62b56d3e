"""What may keep the collector from its work."""
