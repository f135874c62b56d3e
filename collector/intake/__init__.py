"""From bytes to rows: ingest, files, merge, and what was rejected."""
