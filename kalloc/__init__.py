"""kalloc decides who gets how many of a nation's GPUs and where they sit, with a proven bound."""
