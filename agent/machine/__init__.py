"""Describes the device and its current state, from /proc, /sys and firmware."""
