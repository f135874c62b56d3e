"""What the collector tells a device to measure, its seal, and how far the device is."""
