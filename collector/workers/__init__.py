"""Computing on other processes: of this machine, or of a cluster."""
