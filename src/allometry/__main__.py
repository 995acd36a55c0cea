"""``python -m allometry`` runs the command ``allometry``."""

import sys

if __name__ == "__main__":  # `report` starts processes that import this module
    if not sys.flags.safe_path:
        # The current folder may hold a file named like a module that a library needs.
        del sys.path[0]
    from allometry.cli import main

    main()
