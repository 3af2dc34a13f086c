"""Architectures of learned flows."""
