"""Any image to the core's tensors and back, and all messages about what a caller gives."""
