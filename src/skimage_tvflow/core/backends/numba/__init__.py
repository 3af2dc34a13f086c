"""Loops for the CPU, compiled by numba."""
