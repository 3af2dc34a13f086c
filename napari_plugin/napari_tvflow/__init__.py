"""The total variation flow in napari: a thin layer on `skimage_tvflow`.

`functions` is for scripts and other plugins, `model` decides and computes without Qt, and `widgets`
shows it.
"""
