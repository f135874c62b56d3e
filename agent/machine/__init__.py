"""What the device is and how it is now: /proc, /sys and firmware."""
