"""Who gets how much: one model over classes of alike projects, a function per family of rules, tiers in order."""
