"""The wheels that boards install: distilbench's own, and what the agent needs, per machine and Python."""
