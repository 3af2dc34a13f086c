"""The estimators, their common contract, and the functions built on them."""
