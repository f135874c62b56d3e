"""What a network answers, and whether two agree."""
