"""The problem as anyone would write it down, in plain PuLP: slow, literal, complete; what the engine is tested against.

``models.allocation`` decides who gets how many GPUs, ``models.placement`` where they sit, ``models.joint`` both at
once. Each has a page ``maths.md``; every inequality there carries the name of the function that builds it.
"""
