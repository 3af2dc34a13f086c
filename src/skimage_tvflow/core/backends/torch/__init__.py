"""The reference of every kernel, in plain torch: any device, any number of axes."""
