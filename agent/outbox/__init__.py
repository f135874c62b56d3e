"""What waits on the disk, and the folder it waits in."""
