"""Path entropies of networks: against size, against data, on frozen features, in training."""

STUDIES = (
    "frozen_cnn_parameter_scaling",
    "frozen_vit_parameter_scaling",
    "mlp_data_scaling",
    "mlp_parameter_scaling",
    "path_dynamics",
)
