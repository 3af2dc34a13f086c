"""Compute backends: protocol.py says what they offer, select.py which one is used."""
