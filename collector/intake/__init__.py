"""From received bytes to rows of the database: ingest, results files, merge, and rejected messages."""
