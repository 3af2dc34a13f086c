"""`python -m skimage_tvflow.cli`, for where the script is not on the path."""

import sys

from skimage_tvflow.cli import main

sys.exit(main())
