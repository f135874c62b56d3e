"""Is this device ready, and will its results arrive?"""
