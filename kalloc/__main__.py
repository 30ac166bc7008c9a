"""``python -m kalloc`` is the command line."""

from kalloc.cli import main

main()
