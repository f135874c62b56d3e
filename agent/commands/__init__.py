"""The commands of `agent`, each in a file of its own, and the options that they share."""
