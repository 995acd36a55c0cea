"""Neural tangent kernels of deep ReLU perceptrons at initialisation: random draws and the limit."""
