"""Delivers the outbox to a broker or a file, and deletes from it what receipts confirm."""
