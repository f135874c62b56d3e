"""What a comparison computes from answers: each is a task, done once and remembered by its digests."""
