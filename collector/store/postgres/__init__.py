"""The store as a database of PostgreSQL, which several collectors share; needs the extra `postgres`."""
