"""Every kernel compiled by numba for the CPU, for up to three axes."""
