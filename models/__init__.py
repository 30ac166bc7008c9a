"""The problem as anyone would write it down, in plain PuLP: slow, literal, complete; what the engine is tested against.

``models.allocation`` decides who gets how many GPUs, ``models.placement`` where they sit, ``models.joint`` both at
once. Each has a page ``maths.md``; every inequality there carries the name of the function that builds it.

Literal is that rules stand by project and node, and that each tier is asked for as it is defined: a solve for every
project of ``ranked``, a solve for every share of max-min, each optimum a row of all that follow. Left out are only
solves whose answer is known: of an expression without variables, and of a share that as many have as could have the
share before it. Fractions are integers before a solver sees them, and its answers are checked in integers.
"""
