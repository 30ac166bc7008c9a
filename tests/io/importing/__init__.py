"""Files of other systems, read into instances."""
