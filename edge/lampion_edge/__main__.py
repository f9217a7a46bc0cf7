import sys

from lampion_edge.cli import main

sys.exit(main())
