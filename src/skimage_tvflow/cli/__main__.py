"""`python -m skimage_tvflow.cli`, for where the script is not on the path."""

from skimage_tvflow.cli import main

raise SystemExit(main())
