"""How a program starts, what it prints for people, and how it ends."""
