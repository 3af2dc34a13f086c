"""The numerical core: tensors of shape ``(N, C, *spatial)`` in, tensors out.

``N`` independent problems, each with ``C`` coupled channels. It imports torch, NumPy, numba and the
standard library, and nothing that knows about axes or estimators.
"""
