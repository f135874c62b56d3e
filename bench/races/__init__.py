"""Contestants take turns on the same questions, so that whatever disturbs the machine disturbs all alike."""
