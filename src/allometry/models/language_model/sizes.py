"""Sizes and work of a decoder-only transformer, and the conventions they are quoted in."""

from typing import Literal, NamedTuple

from allometry.models.counting import Counts
from allometry.models.norms import NORM_FLOP

__all__ = ["Convention", "ParameterParts", "Shape"]

Convention = Literal["6nd_total", "6nd_body", "6nd_body_plus_head", "with_attention"]


class ParameterParts(NamedTuple):
    """Parameters by part; their sum is `n_params`.

    Attributes:
        embedding: of tokens and, where they are learnt, of positions.
        body: matrices and norm scales of all layers, and the scale of the last norm.
        head: of an untied head; 0 for a tied one, which is the embedding.
    """

    embedding: int
    body: int
    head: int


class Shape(NamedTuple):
    """The numbers that sizes and work depend on.

    Attributes:
        vocabulary, context, d_model, d_mlp, n_layers: as in `LanguageModel`.
        mlp_matrices: matrices of an MLP: 2, or 3 with a gate.
        tied: whether the head is the embedding. learnt: whether positions are learnt.
    """

    vocabulary: int
    context: int
    d_model: int
    d_mlp: int
    n_layers: int
    mlp_matrices: int
    tied: bool
    learnt: bool

    @property
    def layer_matrices(self) -> int:
        """Numbers in the matrices of a layer: 4 d^2 of attention, then the MLP's."""
        return 4 * self.d_model**2 + self.mlp_matrices * self.d_model * self.d_mlp

    @property
    def scales(self) -> int:
        """Numbers in the scales of all norms: two per layer and the last one."""
        return (2 * self.n_layers + 1) * self.d_model

    @property
    def parts(self) -> ParameterParts:
        """Parameters by part."""
        table = self.vocabulary * self.d_model
        positions = self.context * self.d_model if self.learnt else 0
        body = self.n_layers * self.layer_matrices + self.scales
        return ParameterParts(table + positions, body, 0 if self.tied else table)

    def counts(self) -> Counts:
        """Sizes and work of one example, a window of `context` tokens.

        Counted are matrix products, norms, additions of branches and positions, the rotation and
        the gates. Softmax, activations and the lookup of embeddings are not. Attention counts
        all pairs of positions, without the saving of the causal mask, as in Kaplan et al.
        (2001.08361) and Chowdhery et al. (2204.02311, appendix B).
        """
        t, d, n = self.context, self.d_model, self.n_layers
        head = self.vocabulary * d
        attention = 2 * t * d  # multiply-adds of a token and layer: scores, then mixed values
        products = n * (self.layer_matrices + attention) + head
        added = (2 * n + self.learnt) * d
        rotated = 0 if self.learnt else n * 6 * d  # two products and a sum, queries and keys
        gated = n * self.d_mlp if self.mlp_matrices == 3 else 0
        norm = NORM_FLOP["rms"]
        looked_up = d * (1 + self.learnt)
        single = added + rotated
        return Counts(
            n_params=sum(self.parts),
            n_params_no_biases=sum(self.parts) - self.scales,
            forward_flop=t * (2 * products + single + gated + norm.forward * self.scales),
            backward_flop=t
            * (4 * products + single + 2 * gated + norm.backward * self.scales + looked_up),
        )

    def flop_per_token(self, convention: Convention) -> int:
        """Training FLOP of a token, forward and backward, by a convention of `plan`.

        ``6nd_total``: 6 N. ``6nd_body``: 6 N without embeddings and head. ``6nd_body_plus_head``:
        6 (N_body + V d). ``with_attention``: the latter plus 12 n_layers d context for the products
        of attention (Chowdhery et al., 2204.02311, appendix B).
        """
        parts, table = self.parts, self.vocabulary * self.d_model
        attention = 12 * self.n_layers * self.d_model * self.context
        return {
            "6nd_total": 6 * sum(parts),
            "6nd_body": 6 * parts.body,
            "6nd_body_plus_head": 6 * (parts.body + table),
            "with_attention": 6 * (parts.body + table) + attention,
        }[convention]
