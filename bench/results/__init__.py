"""Results: made up in a database, read from an outbox, and checked against what a device committed."""
