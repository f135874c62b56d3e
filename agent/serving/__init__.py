"""Stays connected to a broker between runs: waits for work and delivers what the outbox holds."""
