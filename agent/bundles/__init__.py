"""Opens and fetches bundles, which are never trusted."""
