"""The spectral TV decomposition."""
