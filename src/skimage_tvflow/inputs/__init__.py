"""From any image to the core's tensors and back; every message about an image, its axes, times or device."""
