"""Keeps results on the disk until they are delivered, in the state folder."""
