"""All that was tried, in one table: files, names, surroundings, faults, and cases that are drawn."""
