"""What other programs wrote: files in any encoding, compressed or not, and data that is nearly SQuAD."""
