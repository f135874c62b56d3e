"""The commands of `agent`, each in its own file, and the options that they share."""
