"""From the outbox to a broker or a file, and back with receipts."""
