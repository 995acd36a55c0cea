"""Path entropies of networks: against size and data, on frozen features, and along training."""

STUDIES = (
    "frozen_cnn_parameter_scaling",
    "frozen_vit_parameter_scaling",
    "mlp_data_scaling",
    "mlp_parameter_scaling",
    "path_dynamics",
)
