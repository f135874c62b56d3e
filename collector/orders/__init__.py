"""What the workstation wants devices to measure: orders are put together, kept and followed."""
