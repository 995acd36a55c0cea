"""``python -m allometry`` is the command ``allometry``."""

from allometry.cli import main

main()
