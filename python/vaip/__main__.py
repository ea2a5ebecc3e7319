"""python -m vaip: the command line, where `vaip` itself is not on the path."""

from vaip.cli import main

main()
