"""The long-running work of `collector serve` and `collector watch`."""
