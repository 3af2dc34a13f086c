"""Networks that take the steps of a learned flow."""
