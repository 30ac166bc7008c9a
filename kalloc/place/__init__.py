"""Where projects sit: classes of alike domains and alike projects, exact models of them, and names given back."""
