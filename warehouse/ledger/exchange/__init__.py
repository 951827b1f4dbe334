"""Files that were exchanged, and the fate of each of their rows."""
