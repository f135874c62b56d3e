"""From what the user asked to the records of a run: plan, passes, marks, stop rule and log."""
