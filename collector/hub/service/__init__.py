"""The hub's HTTPS service: the join script, wheels, credentials, bundles, questions and metrics."""
