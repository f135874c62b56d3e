"""What `collector serve` and `collector watch` do for hours."""
