"""The measured process, and the two pipes between it and its parent."""
