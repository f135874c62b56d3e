"""The commands of `agent`, a file each: options in, one call, lines out."""
