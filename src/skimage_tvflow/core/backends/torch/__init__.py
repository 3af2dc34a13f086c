"""Plain torch: any device, any number of axes; the reference of every other backend."""
