"""A module that ends with the status that it is asked for."""

import atexit
import sys

if __name__ == "__main__":
    atexit.register(print, "at exit")
    sys.exit(int(sys.argv[1]))
