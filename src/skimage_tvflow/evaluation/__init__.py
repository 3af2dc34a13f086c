"""All methods on the same images, as the paper compares them."""
