"""Measures runs and records them: campaign, run, marks, log, thread trial and audit."""
