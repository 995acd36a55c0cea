"""Neural tangent kernels of deep ReLU perceptrons at initialisation: their limit, and draws."""
