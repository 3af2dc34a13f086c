r"""Total variation flow of images: a scale space that keeps edges sharp.

The flow :math:`u_t \in -\partial J(u)` of the total variation J lets the structures of an image
vanish by size and contrast, and leaves the edges of the rest where they are.
"""

import lazy_loader

__version__ = "0.1.0"

# Public names are imported when they are used: the command line answers --help without the
# seconds that torch takes to load. The stub __init__.pyi says where each of them lives.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
