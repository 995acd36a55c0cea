"""``python -m allometry`` is the command ``allometry``."""

from allometry.cli import main

if __name__ == "__main__":  # `report` starts processes that import this module
    main()
