"""What would be if: changes confirmed by a solve, what one more is worth, plans beside each other, losses."""
